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

-- Parts of open tickets, and what became of cards: each counts once, whichever life of a node states it.
CREATE TABLE counted (
    id BYTEA PRIMARY KEY CHECK (length(id) = 16)
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
