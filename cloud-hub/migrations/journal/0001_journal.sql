-- Every author's journal as the hub holds it, and who the nodes are. 64 random bits are kept as a signed number.

CREATE TABLE journal_stream (
    id             INTEGER PRIMARY KEY,
    author         INTEGER NOT NULL,
    incarnation    INTEGER NOT NULL,
    stream         INTEGER NOT NULL,
    seq            INTEGER NOT NULL CHECK (seq >= 0),
    hash           BLOB    NOT NULL CHECK (length(hash) = 32),
    announced_seq  INTEGER NOT NULL CHECK (announced_seq >= 0),
    parked_events  INTEGER NOT NULL DEFAULT 0,
    last_at_ms     INTEGER,
    received_at_ms INTEGER NOT NULL,
    forked_at_seq  INTEGER,
    UNIQUE (author, incarnation, stream)
) STRICT;

CREATE TABLE journal_entry (
    stream_id INTEGER NOT NULL REFERENCES journal_stream (id),
    seq       INTEGER NOT NULL CHECK (seq >= 1),
    event     BLOB    NOT NULL,
    hash      BLOB    NOT NULL CHECK (length(hash) = 32),
    parked    INTEGER NOT NULL CHECK (parked IN (0, 1)),
    PRIMARY KEY (stream_id, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX journal_entry_parked ON journal_entry (stream_id, seq) WHERE parked = 1;

-- Totals only grow; `seq` is the entry with which the present ones came.
CREATE TABLE stock_total (
    stream_id  INTEGER NOT NULL REFERENCES journal_stream (id),
    stock_item INTEGER NOT NULL,
    received   INTEGER NOT NULL CHECK (received >= 0),
    used       INTEGER NOT NULL CHECK (used >= 0),
    seq        INTEGER NOT NULL,
    PRIMARY KEY (stream_id, stock_item)
) STRICT, WITHOUT ROWID;

-- The node's present session: what its last accepted greeting said.
CREATE TABLE node_session (
    node         INTEGER PRIMARY KEY,
    store        INTEGER NOT NULL,
    incarnation  INTEGER NOT NULL,
    session      INTEGER NOT NULL,
    boot         INTEGER NOT NULL,
    machine      BLOB    NOT NULL CHECK (length(machine) = 16),
    version      TEXT    NOT NULL,
    skew_ms      INTEGER NOT NULL,
    welcomed_at_ms INTEGER NOT NULL
) STRICT;

-- The key that a life of a node first introduced itself with; another one is not believed.
CREATE TABLE node_key (
    node             INTEGER NOT NULL,
    incarnation      INTEGER NOT NULL,
    public_key       BLOB    NOT NULL CHECK (length(public_key) = 33),
    first_seen_at_ms INTEGER NOT NULL,
    PRIMARY KEY (node, incarnation)
) STRICT, WITHOUT ROWID;

CREATE TABLE node_presence (
    node          INTEGER PRIMARY KEY,
    boot          INTEGER NOT NULL,
    online        INTEGER NOT NULL CHECK (online IN (0, 1)),
    changed_at_ms INTEGER NOT NULL
) STRICT;

-- How far each node has read the hub's own journals.
CREATE TABLE down_position (
    node        INTEGER NOT NULL,
    stream_id   INTEGER NOT NULL REFERENCES journal_stream (id),
    seq         INTEGER NOT NULL,
    acked_at_ms INTEGER NOT NULL,
    PRIMARY KEY (node, stream_id)
) STRICT, WITHOUT ROWID;

-- Frames that could not be read at all, once each.
CREATE TABLE dead_letter (
    fingerprint BLOB    PRIMARY KEY CHECK (length(fingerprint) = 32),
    topic       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    frame       BLOB    NOT NULL,
    times       INTEGER NOT NULL CHECK (times >= 1),
    first_at_ms INTEGER NOT NULL,
    last_at_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX dead_letter_last ON dead_letter (last_at_ms);
