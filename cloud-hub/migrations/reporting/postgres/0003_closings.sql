-- Closing readings as shops made them, and what reporting's own fold of the same journals comes to.

-- The key says which box, which life, and the number.
CREATE TABLE closing (
    closing       TEXT COLLATE "C" PRIMARY KEY,
    store         BIGINT NOT NULL,
    day           INTEGER NOT NULL,
    at_ms         BIGINT NOT NULL,
    author        BIGINT NOT NULL,
    number        TEXT COLLATE "C" NOT NULL,
    head          TEXT COLLATE "C" NOT NULL,
    currency      TEXT COLLATE "C" NOT NULL,
    late          BIGINT NOT NULL,
    tickets       BIGINT NOT NULL,
    net_minor     BIGINT NOT NULL,
    tax_minor     BIGINT NOT NULL,
    total_minor   BIGINT NOT NULL,
    refunds_minor BIGINT NOT NULL,
    discounts_minor  BIGINT NOT NULL,
    no_drawer_minor  BIGINT NOT NULL,
    paid_in_minor    BIGINT NOT NULL,
    paid_out_minor   BIGINT NOT NULL,
    dropped_minor    BIGINT NOT NULL,
    no_sales         BIGINT NOT NULL,
    drawers_closed   BIGINT NOT NULL,
    difference_minor BIGINT NOT NULL
);

CREATE INDEX closing_by_store ON closing (store, day, at_ms, closing);
CREATE INDEX closing_by_day ON closing (day, at_ms, closing);

-- Kind: 1 means of payment, 2 tax class (other: its base), 3 hour, 4 counted drawer (other: what was expected), 5 drawer that
-- stayed open.
CREATE TABLE closing_part (
    closing      TEXT COLLATE "C" NOT NULL,
    kind         SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 5),
    key          TEXT COLLATE "C" NOT NULL,
    count        BIGINT NOT NULL,
    amount_minor BIGINT NOT NULL,
    other_minor  BIGINT NOT NULL,
    PRIMARY KEY (closing, kind, key)
);

CREATE TABLE closing_range (
    closing     TEXT COLLATE "C" NOT NULL,
    incarnation BIGINT NOT NULL,
    from_seq    BIGINT NOT NULL,
    to_seq      BIGINT NOT NULL,
    PRIMARY KEY (closing, incarnation)
);

-- What all sales of a journal come to: up to where it is folded, and as it was where a day was closed. Unsure are entries that
-- were written again, or that this program cannot read.
CREATE TABLE sales_sum (
    author      BIGINT NOT NULL,
    incarnation BIGINT NOT NULL,
    seq         BIGINT NOT NULL,
    tickets     BIGINT NOT NULL,
    net_minor   BIGINT NOT NULL,
    tax_minor   BIGINT NOT NULL,
    total_minor BIGINT NOT NULL,
    unsure      BIGINT NOT NULL,
    PRIMARY KEY (author, incarnation)
);

CREATE TABLE sales_sum_at (
    author      BIGINT NOT NULL,
    incarnation BIGINT NOT NULL,
    seq         BIGINT NOT NULL,
    tickets     BIGINT NOT NULL,
    net_minor   BIGINT NOT NULL,
    tax_minor   BIGINT NOT NULL,
    total_minor BIGINT NOT NULL,
    unsure      BIGINT NOT NULL,
    PRIMARY KEY (author, incarnation, seq)
);

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
