-- Closing readings as shops made them, and what reporting's own fold of the same journals comes to.

-- The key says which box, which life, and the number.
CREATE TABLE closing (
    closing       TEXT    PRIMARY KEY,
    store         INTEGER NOT NULL,
    day           INTEGER NOT NULL,
    at_ms         INTEGER NOT NULL,
    author        INTEGER NOT NULL,
    number        TEXT    NOT NULL,
    head          TEXT    NOT NULL,
    currency      TEXT    NOT NULL,
    late          INTEGER NOT NULL,
    tickets       INTEGER NOT NULL,
    net_minor     INTEGER NOT NULL,
    tax_minor     INTEGER NOT NULL,
    total_minor   INTEGER NOT NULL,
    refunds_minor INTEGER NOT NULL,
    discounts_minor  INTEGER NOT NULL,
    no_drawer_minor  INTEGER NOT NULL,
    paid_in_minor    INTEGER NOT NULL,
    paid_out_minor   INTEGER NOT NULL,
    dropped_minor    INTEGER NOT NULL,
    no_sales         INTEGER NOT NULL,
    drawers_closed   INTEGER NOT NULL,
    difference_minor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX closing_by_store ON closing (store, day, at_ms, closing);
CREATE INDEX closing_by_day ON closing (day, at_ms, closing);

-- Kind: 1 means of payment, 2 tax class (other: its base), 3 hour, 4 counted drawer (other: what was expected), 5 drawer that
-- stayed open.
CREATE TABLE closing_part (
    closing      TEXT    NOT NULL,
    kind         INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5),
    key          TEXT    NOT NULL,
    count        INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL,
    other_minor  INTEGER NOT NULL,
    PRIMARY KEY (closing, kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE closing_range (
    closing     TEXT    NOT NULL,
    incarnation INTEGER NOT NULL,
    from_seq    INTEGER NOT NULL,
    to_seq      INTEGER NOT NULL,
    PRIMARY KEY (closing, incarnation)
) STRICT, WITHOUT ROWID;

-- What all sales of a journal come to: up to where it is folded, and as it was where a day was closed. Unsure are entries that
-- were written again, or that this program cannot read.
CREATE TABLE sales_sum (
    author      INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    tickets     INTEGER NOT NULL,
    net_minor   INTEGER NOT NULL,
    tax_minor   INTEGER NOT NULL,
    total_minor INTEGER NOT NULL,
    unsure      INTEGER NOT NULL,
    PRIMARY KEY (author, incarnation)
) STRICT, WITHOUT ROWID;

CREATE TABLE sales_sum_at (
    author      INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    tickets     INTEGER NOT NULL,
    net_minor   INTEGER NOT NULL,
    tax_minor   INTEGER NOT NULL,
    total_minor INTEGER NOT NULL,
    unsure      INTEGER NOT NULL,
    PRIMARY KEY (author, incarnation, seq)
) STRICT, WITHOUT ROWID;

-- The journals are folded once more, for these tables are empty.
DELETE FROM ticket;
DELETE FROM import_line;
DELETE FROM rollup;
DELETE FROM name;
DELETE FROM store;
DELETE FROM source_mark;
DELETE FROM stock_fold;
DELETE FROM stock_alias;
DELETE FROM projection_position;
