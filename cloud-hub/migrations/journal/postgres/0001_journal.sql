-- Every author's journal as the hub holds it, and who the nodes are: what the SQLite files come to, with natural keys that
-- begin with the author or the node. 64 random bits are kept as a signed number, flags as 0 and 1.

-- Who may write an author's journals is who holds its row.
CREATE TABLE journal_author (
    author BIGINT PRIMARY KEY
);

CREATE TABLE journal_stream (
    author         BIGINT   NOT NULL,
    incarnation    BIGINT   NOT NULL,
    stream         SMALLINT NOT NULL,
    -- The quarter of the last entry.
    period         INTEGER  NOT NULL,
    seq            BIGINT   NOT NULL CHECK (seq >= 0),
    hash           BYTEA    NOT NULL CHECK (length(hash) = 32),
    announced_seq  BIGINT   NOT NULL CHECK (announced_seq >= 0),
    parked_events  BIGINT   NOT NULL DEFAULT 0,
    last_at_ms     BIGINT,
    received_at_ms BIGINT   NOT NULL,
    forked_at_seq  BIGINT,
    PRIMARY KEY (author, incarnation, stream)
);

-- Divided by the quarter in which an entry came (4 * year + quarter), and within it by author. It grows with `seq`.
CREATE TABLE journal_entry (
    author      BIGINT   NOT NULL,
    incarnation BIGINT   NOT NULL,
    stream      SMALLINT NOT NULL,
    seq         BIGINT   NOT NULL CHECK (seq >= 1),
    period      INTEGER  NOT NULL,
    parked      SMALLINT NOT NULL CHECK (parked IN (0, 1)),
    alias       SMALLINT NOT NULL CHECK (alias IN (0, 1)),
    hash        BYTEA    NOT NULL CHECK (length(hash) = 32),
    event       BYTEA    NOT NULL,
    PRIMARY KEY (author, incarnation, stream, seq, period)
) PARTITION BY RANGE (period);

CREATE INDEX journal_entry_parked ON journal_entry (author, incarnation, stream, seq) WHERE parked = 1;

-- Where each quarter begins in a journal, so that a reader looks into no other.
CREATE TABLE journal_span (
    author      BIGINT   NOT NULL,
    incarnation BIGINT   NOT NULL,
    stream      SMALLINT NOT NULL,
    period      INTEGER  NOT NULL,
    seq_lo      BIGINT   NOT NULL,
    PRIMARY KEY (author, incarnation, stream, period)
);

-- Events that a later life of their author wrote again, by the id of the first writing. Of one id at most one is
-- counted: the others, and the first writing if it comes after that one, are aliases.
CREATE TABLE journal_origin (
    author      BIGINT   NOT NULL,
    event_id    BYTEA    NOT NULL CHECK (length(event_id) = 16),
    incarnation BIGINT   NOT NULL,
    stream      SMALLINT NOT NULL,
    seq         BIGINT   NOT NULL,
    counted     SMALLINT NOT NULL CHECK (counted IN (0, 1)),
    PRIMARY KEY (author, event_id, incarnation, stream, seq)
);

-- Totals only grow; `seq` is the entry with which the present ones came.
CREATE TABLE stock_total (
    author      BIGINT   NOT NULL,
    incarnation BIGINT   NOT NULL,
    stream      SMALLINT NOT NULL,
    stock_item  BIGINT   NOT NULL,
    received    BIGINT   NOT NULL CHECK (received >= 0),
    used        BIGINT   NOT NULL CHECK (used >= 0),
    seq         BIGINT   NOT NULL,
    PRIMARY KEY (author, incarnation, stream, stock_item)
);

-- How far an author has last vouched for its journal.
CREATE TABLE signed_head (
    author      BIGINT   NOT NULL,
    incarnation BIGINT   NOT NULL,
    stream      SMALLINT NOT NULL,
    seq         BIGINT   NOT NULL,
    hash        BYTEA    NOT NULL CHECK (length(hash) = 32),
    signature   BYTEA    NOT NULL CHECK (length(signature) = 64),
    public_key  BYTEA    NOT NULL CHECK (length(public_key) = 33),
    at_ms       BIGINT   NOT NULL,
    PRIMARY KEY (author, incarnation, stream)
);

-- The node's present session: what its last accepted greeting said.
CREATE TABLE node_session (
    node           BIGINT PRIMARY KEY,
    store          BIGINT NOT NULL,
    incarnation    BIGINT NOT NULL,
    session        BIGINT NOT NULL,
    boot           BIGINT NOT NULL,
    machine        BYTEA  NOT NULL CHECK (length(machine) = 16),
    version        TEXT COLLATE "C" NOT NULL,
    skew_ms        BIGINT NOT NULL,
    welcomed_at_ms BIGINT NOT NULL
);

-- Each life of a node: its session, 0 while it has none, and the process that goes on with it.
CREATE TABLE node_life (
    node                 BIGINT   NOT NULL,
    incarnation          BIGINT   NOT NULL,
    session              BIGINT   NOT NULL,
    boot                 BIGINT   NOT NULL,
    -- The number of the last greeting of that process.
    greeting             BIGINT   NOT NULL,
    machine              BYTEA    NOT NULL CHECK (length(machine) = 16),
    -- 1 active, 2 forked, 3 fenced, 4 sealed.
    state                SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 4),
    first_seen_at_ms     BIGINT   NOT NULL,
    welcomed_at_ms       BIGINT   NOT NULL,
    stock_compared_at_ms BIGINT,
    stock_differs        SMALLINT NOT NULL DEFAULT 0 CHECK (stock_differs IN (0, 1)),
    PRIMARY KEY (node, incarnation)
);

-- The processes that a life was welcomed in: one that speaks again after a later one was welcomed is a copy.
CREATE TABLE node_boot (
    node        BIGINT NOT NULL,
    incarnation BIGINT NOT NULL,
    boot        BIGINT NOT NULL,
    first_at_ms BIGINT NOT NULL,
    PRIMARY KEY (node, incarnation, boot)
);

-- The key that a life of a node first introduced itself with; another one is not believed.
CREATE TABLE node_key (
    node             BIGINT NOT NULL,
    incarnation      BIGINT NOT NULL,
    public_key       BYTEA  NOT NULL CHECK (length(public_key) = 33),
    first_seen_at_ms BIGINT NOT NULL,
    PRIMARY KEY (node, incarnation)
);

CREATE TABLE node_presence (
    node          BIGINT   PRIMARY KEY,
    boot          BIGINT   NOT NULL,
    online        SMALLINT NOT NULL CHECK (online IN (0, 1)),
    changed_at_ms BIGINT   NOT NULL
);

-- How far each node has read the hub's own journals.
CREATE TABLE down_position (
    node        BIGINT   NOT NULL,
    author      BIGINT   NOT NULL,
    incarnation BIGINT   NOT NULL,
    stream      SMALLINT NOT NULL,
    seq         BIGINT   NOT NULL,
    acked_at_ms BIGINT   NOT NULL,
    PRIMARY KEY (node, author, incarnation, stream)
);

-- Frames that could not be read at all, once each.
CREATE TABLE dead_letter (
    fingerprint BYTEA  PRIMARY KEY CHECK (length(fingerprint) = 32),
    topic       TEXT COLLATE "C" NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL,
    frame       BYTEA  NOT NULL,
    times       BIGINT NOT NULL CHECK (times >= 1),
    first_at_ms BIGINT NOT NULL,
    last_at_ms  BIGINT NOT NULL
);

CREATE INDEX dead_letter_last ON dead_letter (last_at_ms);
