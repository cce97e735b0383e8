-- Beside reports, what was said of tickets' tips after their sale. The highest turn holds.
CREATE TABLE ticket_tip (
    ticket     BYTEA   NOT NULL CHECK (length(ticket) = 16),
    id         BYTEA   NOT NULL CHECK (length(id) = 16),
    turn       BIGINT  NOT NULL,
    store      BIGINT  NOT NULL,
    day        INTEGER NOT NULL,
    card       SMALLINT NOT NULL CHECK (card BETWEEN 1 AND 2),
    sold_minor BIGINT  NOT NULL,
    tip_minor  BIGINT  NOT NULL,
    seller     BIGINT,
    PRIMARY KEY (ticket, id)
);

-- Money that is no sale and no refund counts once, whichever life of a node states it: by the id of a payment, and what is said of it;
-- 1 a part of an open ticket, 2 a card that was taken on trust and is approved, 3 one that is lost, 4 money back that no card took,
-- 5 a card that took the place of cash.
CREATE TABLE money_between (
    id   BYTEA  NOT NULL CHECK (length(id) = 16),
    what BIGINT NOT NULL CHECK (what BETWEEN 1 AND 5),
    PRIMARY KEY (id, what)
);

-- Kinds besides: 8 tips by person, 9 house account.
ALTER TABLE rollup DROP CONSTRAINT rollup_kind_check;
ALTER TABLE rollup ADD CONSTRAINT rollup_kind_check CHECK (kind BETWEEN 1 AND 9);

-- The journals are folded once more: what is kept now is by other keys, too.
DELETE FROM ticket;
DELETE FROM refund;
DELETE FROM import_line;
DELETE FROM rollup;
DELETE FROM name;
DELETE FROM store;
DELETE FROM source_mark;
DELETE FROM stock_fold;
DELETE FROM stock_alias;
DELETE FROM closing;
DELETE FROM closing_part;
DELETE FROM closing_range;
DELETE FROM sales_sum;
DELETE FROM sales_sum_at;
DELETE FROM ticket_flag;
DELETE FROM ticket_unmatched;
DELETE FROM menu_said;
DELETE FROM clock_doubt;
DELETE FROM projection_position;
