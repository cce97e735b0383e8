-- What the reports are read from. All of it is folded from the journal, and can be thrown away and folded again.

CREATE TABLE ticket (
    id                  BLOB    PRIMARY KEY CHECK (length(id) = 16),
    store               INTEGER NOT NULL,
    day                 INTEGER NOT NULL,
    at_ms               INTEGER NOT NULL,
    receipt             TEXT,
    lines               INTEGER NOT NULL,
    units               INTEGER NOT NULL,
    net_minor           INTEGER NOT NULL,
    tax_minor           INTEGER NOT NULL,
    total_minor         INTEGER NOT NULL,
    tax_unknown         INTEGER NOT NULL CHECK (tax_unknown IN (0, 1)),
    -- Item and category keys of an imported ticket, a line each: what a later amendment must not count again.
    import_keys         TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX ticket_by_store ON ticket (store, day, at_ms, id);
CREATE INDEX ticket_by_day ON ticket (day, at_ms);

-- Scope 0 is the chain, any other a store. Kind: 1 day, 2 hour, 3 item, 4 category.
CREATE TABLE rollup (
    scope       INTEGER NOT NULL,
    kind        INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 4),
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

-- What keys are called. The highest rank wins; of equal rank the name that sorts first.
CREATE TABLE name (
    key  TEXT    PRIMARY KEY,
    name TEXT    NOT NULL,
    unit TEXT    NOT NULL,
    rank INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE store (
    store        INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL,
    zone         TEXT    NOT NULL,
    cutover_hour INTEGER NOT NULL,
    currency     TEXT    NOT NULL,
    rank         INTEGER NOT NULL
) STRICT;

-- The last receipt and moment of each journal.
CREATE TABLE source_mark (
    author      INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    stream      INTEGER NOT NULL,
    store       INTEGER NOT NULL,
    receipt     TEXT,
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (author, incarnation, stream)
) STRICT, WITHOUT ROWID;

-- Stock twice: folded from the events, and the authors' own totals joined by maximum. They must agree.
CREATE TABLE stock_fold (
    store      INTEGER NOT NULL,
    stock_item INTEGER NOT NULL,
    received   INTEGER NOT NULL,
    used       INTEGER NOT NULL,
    PRIMARY KEY (store, stock_item)
) STRICT, WITHOUT ROWID;

CREATE TABLE stock_cell (
    store       INTEGER NOT NULL,
    stock_item  INTEGER NOT NULL,
    author      INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    received    INTEGER NOT NULL,
    used        INTEGER NOT NULL,
    PRIMARY KEY (store, stock_item, author, incarnation)
) STRICT, WITHOUT ROWID;
