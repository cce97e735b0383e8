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
    tax_unknown         INTEGER NOT NULL CHECK (tax_unknown IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX ticket_by_store ON ticket (store, day, at_ms, id);
CREATE INDEX ticket_by_day ON ticket (day, at_ms);

-- The rows of imported tickets that are counted: none counts twice, whichever life of a node brings it in, and an item
-- counts a ticket once, whenever its lines come.
CREATE TABLE import_line (
    ticket       BLOB NOT NULL,
    source_row   TEXT NOT NULL,
    item_key     TEXT NOT NULL,
    category_key TEXT NOT NULL,
    PRIMARY KEY (ticket, source_row)
) STRICT, WITHOUT ROWID;

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

-- Stores as their nodes described them. The highest rank wins; of equal rank the row that sorts first.
CREATE TABLE store (
    store        INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL,
    zone         TEXT    NOT NULL,
    cutover_hour INTEGER NOT NULL,
    currency     TEXT    NOT NULL,
    rank         INTEGER NOT NULL
) STRICT;

-- What was seen of each journal of a node, up to where it is folded: whose it is, the last receipt and moment, and how
-- many entries were passed over because this program cannot read them. Nothing is known of a store until one can be.
CREATE TABLE source_mark (
    author      INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    stream      INTEGER NOT NULL,
    store       INTEGER,
    receipt     TEXT,
    at_ms       INTEGER,
    parked      INTEGER NOT NULL CHECK (parked >= 0),
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

-- Without the store: a total may come with entries that this program cannot read. source_mark knows the store.
CREATE TABLE stock_cell (
    author      INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    stock_item  INTEGER NOT NULL,
    received    INTEGER NOT NULL,
    used        INTEGER NOT NULL,
    PRIMARY KEY (author, incarnation, stock_item)
) STRICT, WITHOUT ROWID;
