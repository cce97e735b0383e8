-- What was given back counts once, whichever life of a node states it.
CREATE TABLE refund (
    id BLOB PRIMARY KEY CHECK (length(id) = 16)
) STRICT, WITHOUT ROWID;

-- Kinds besides: 5 means of payment, 6 person, 7 tax class.
DROP TABLE rollup;
CREATE TABLE rollup (
    scope       INTEGER NOT NULL,
    kind        INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 7),
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

-- Kinds besides: 6 person, empty for nobody; 7 a figure by its word.
DROP TABLE closing_part;
CREATE TABLE closing_part (
    closing      TEXT    NOT NULL,
    kind         INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 7),
    key          TEXT    NOT NULL,
    count        INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL,
    other_minor  INTEGER NOT NULL,
    PRIMARY KEY (closing, kind, key)
) STRICT, WITHOUT ROWID;

-- The journals are folded once more: what is kept now is by other keys, too.
DELETE FROM ticket;
DELETE FROM import_line;
DELETE FROM name;
DELETE FROM store;
DELETE FROM source_mark;
DELETE FROM stock_fold;
DELETE FROM stock_alias;
DELETE FROM closing;
DELETE FROM closing_range;
DELETE FROM sales_sum;
DELETE FROM sales_sum_at;
DELETE FROM projection_position;
