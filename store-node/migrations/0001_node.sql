-- A store's own database: its journals, and what the tills read. 64 random bits are kept as a signed number.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A life of this database: a new one is minted when the database is new, restored or moved.
CREATE TABLE author_life (
    life          INTEGER PRIMARY KEY,
    incarnation   INTEGER NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- The journal is the outbox: what the hub has not acknowledged is sent from here.
CREATE TABLE journal (
    life   INTEGER NOT NULL REFERENCES author_life (life),
    stream INTEGER NOT NULL,
    seq    INTEGER NOT NULL CHECK (seq >= 1),
    event  BLOB    NOT NULL,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (life, stream, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE stream_head (
    life   INTEGER NOT NULL REFERENCES author_life (life),
    stream INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32),
    hlc    INTEGER NOT NULL,
    PRIMARY KEY (life, stream)
) STRICT, WITHOUT ROWID;

-- How far each reader has committed.
CREATE TABLE reader (
    reader    TEXT    NOT NULL,
    life      INTEGER NOT NULL,
    stream    INTEGER NOT NULL,
    acked_seq INTEGER NOT NULL,
    PRIMARY KEY (reader, life, stream)
) STRICT, WITHOUT ROWID;

-- One row a ticket, in the order of the sales journal; its lines are in the event.
CREATE TABLE ticket (
    life        INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    id          BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    day         INTEGER NOT NULL,
    class       INTEGER NOT NULL CHECK (class BETWEEN 1 AND 3),
    receipt     TEXT,
    lines       INTEGER NOT NULL,
    units       INTEGER NOT NULL,
    net_minor   INTEGER NOT NULL,
    tax_minor   INTEGER NOT NULL,
    total_minor INTEGER NOT NULL,
    PRIMARY KEY (life, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX ticket_by_day ON ticket (day, life, seq);

-- What came later for imported tickets: sums only, on the ticket's day.
CREATE TABLE day_amendment (
    day       INTEGER PRIMARY KEY,
    lines     INTEGER NOT NULL,
    units     INTEGER NOT NULL,
    net_minor INTEGER NOT NULL
) STRICT;

CREATE TABLE day_tender (
    day          INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    amount_minor INTEGER NOT NULL,
    PRIMARY KEY (day, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    key_hash  BLOB    PRIMARY KEY CHECK (length(key_hash) = 16),
    body_hash BLOB    NOT NULL CHECK (length(body_hash) = 16),
    kind      INTEGER NOT NULL,
    answer    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE series (
    terminal    TEXT    NOT NULL,
    life        INTEGER NOT NULL,
    training    INTEGER NOT NULL CHECK (training IN (0, 1)),
    series      TEXT    NOT NULL,
    next_number INTEGER NOT NULL CHECK (next_number >= 1),
    PRIMARY KEY (terminal, life, training)
) STRICT, WITHOUT ROWID;

CREATE TABLE stock_total (
    life       INTEGER NOT NULL,
    stock_item INTEGER NOT NULL,
    received   INTEGER NOT NULL CHECK (received >= 0),
    used       INTEGER NOT NULL CHECK (used >= 0),
    PRIMARY KEY (life, stock_item)
) STRICT, WITHOUT ROWID;

CREATE TABLE import_line (
    source       TEXT NOT NULL,
    row          TEXT NOT NULL,
    content_hash BLOB NOT NULL CHECK (length(content_hash) = 16),
    PRIMARY KEY (source, row)
) STRICT, WITHOUT ROWID;

CREATE TABLE import_basket (
    source TEXT NOT NULL,
    local  TEXT NOT NULL,
    ticket BLOB NOT NULL CHECK (length(ticket) = 16),
    PRIMARY KEY (source, local)
) STRICT, WITHOUT ROWID;

-- The hub's journals, as received.
CREATE TABLE down_head (
    author      INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    stream      INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    place       INTEGER NOT NULL,
    PRIMARY KEY (author, incarnation, stream)
) STRICT, WITHOUT ROWID;

CREATE TABLE down_journal (
    author      INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    stream      INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    event       BLOB    NOT NULL,
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (author, incarnation, stream, seq)
) STRICT, WITHOUT ROWID;
