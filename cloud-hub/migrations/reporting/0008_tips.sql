-- Beside reports, what was said of tickets' tips after their sale. The highest turn holds.
CREATE TABLE ticket_tip (
    ticket     BLOB    NOT NULL CHECK (length(ticket) = 16),
    id         BLOB    NOT NULL CHECK (length(id) = 16),
    turn       INTEGER NOT NULL,
    store      INTEGER NOT NULL,
    day        INTEGER NOT NULL,
    card       INTEGER NOT NULL CHECK (card BETWEEN 1 AND 2),
    sold_minor INTEGER NOT NULL,
    tip_minor  INTEGER NOT NULL,
    seller     INTEGER,
    PRIMARY KEY (ticket, id)
) STRICT, WITHOUT ROWID;

-- Money that is no sale and no refund counts once, whichever life of a node states it: by the id of a payment, and what is said of it;
-- 1 a part of an open ticket, 2 a card that was taken on trust and is approved, 3 one that is lost, 4 money back that no card took,
-- 5 a card that took the place of cash.
CREATE TABLE money_between (
    id   BLOB    NOT NULL CHECK (length(id) = 16),
    what INTEGER NOT NULL CHECK (what BETWEEN 1 AND 5),
    PRIMARY KEY (id, what)
) STRICT, WITHOUT ROWID;

-- Kinds besides: 8 tips by person, 9 house account.
DROP TABLE rollup;
CREATE TABLE rollup (
    scope       INTEGER NOT NULL,
    kind        INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 9),
    day         INTEGER NOT NULL,
    key         TEXT    NOT NULL,
    tickets     INTEGER NOT NULL,
    lines       INTEGER NOT NULL,
    units       INTEGER NOT NULL,
    net_minor   INTEGER NOT NULL,
    tax_minor   INTEGER NOT NULL,
    total_minor INTEGER NOT NULL,
    tax_unknown_tickets INTEGER NOT NULL,
    PRIMARY KEY (scope, kind, day, key)
) STRICT, WITHOUT ROWID;

-- The journals are folded once more: what is kept now is by other keys, too.
DELETE FROM ticket;
DELETE FROM refund;
DELETE FROM import_line;
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
