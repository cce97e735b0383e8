-- The lives of a node, each with a session of its own, and events that were written again in another life.

ALTER TABLE journal_entry ADD COLUMN alias INTEGER NOT NULL DEFAULT 0 CHECK (alias IN (0, 1));

-- Events that a later life of their author wrote again, by the id of the first writing. Of one id at most one is
-- counted: the others, and the first writing if it comes after that one, are aliases.
CREATE TABLE journal_origin (
    event_id  BLOB    NOT NULL CHECK (length(event_id) = 16),
    author    INTEGER NOT NULL,
    stream_id INTEGER NOT NULL REFERENCES journal_stream (id),
    seq       INTEGER NOT NULL,
    counted   INTEGER NOT NULL CHECK (counted IN (0, 1)),
    PRIMARY KEY (event_id, stream_id, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX journal_origin_author ON journal_origin (author);

-- Each life of a node: its session, 0 while it has none, and the process that goes on with it.
CREATE TABLE node_life (
    node             INTEGER NOT NULL,
    incarnation      INTEGER NOT NULL,
    session          INTEGER NOT NULL,
    boot             INTEGER NOT NULL,
    -- The number of the last greeting of that process.
    greeting         INTEGER NOT NULL,
    machine          BLOB    NOT NULL CHECK (length(machine) = 16),
    -- 1 active, 2 forked, 3 fenced, 4 sealed.
    state            INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
    first_seen_at_ms INTEGER NOT NULL,
    welcomed_at_ms   INTEGER NOT NULL,
    PRIMARY KEY (node, incarnation)
) STRICT, WITHOUT ROWID;

INSERT INTO node_life (node, incarnation, session, boot, greeting, machine, state, first_seen_at_ms, welcomed_at_ms)
SELECT node, incarnation, session, boot, 0, machine, 1, welcomed_at_ms, welcomed_at_ms FROM node_session;

-- The processes that a life was welcomed in: one that speaks again after a later one was welcomed is a copy.
CREATE TABLE node_boot (
    node        INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    boot        INTEGER NOT NULL,
    first_at_ms INTEGER NOT NULL,
    PRIMARY KEY (node, incarnation, boot)
) STRICT, WITHOUT ROWID;

INSERT INTO node_boot (node, incarnation, boot, first_at_ms)
SELECT node, incarnation, boot, welcomed_at_ms FROM node_session;

-- How far an author has last vouched for its journal.
CREATE TABLE signed_head (
    stream_id  INTEGER PRIMARY KEY REFERENCES journal_stream (id),
    seq        INTEGER NOT NULL,
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    signature  BLOB    NOT NULL CHECK (length(signature) = 64),
    public_key BLOB    NOT NULL CHECK (length(public_key) = 33),
    at_ms      INTEGER NOT NULL
) STRICT;
