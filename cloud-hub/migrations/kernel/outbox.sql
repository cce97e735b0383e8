-- A service's own journal: what it has said, in order, each entry made once.
CREATE TABLE outbox_journal (
    stream        INTEGER PRIMARY KEY,
    incarnation   INTEGER NOT NULL,
    seq           INTEGER NOT NULL CHECK (seq >= 0),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    hlc           INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox_entry (
    stream INTEGER NOT NULL REFERENCES outbox_journal (stream),
    seq    INTEGER NOT NULL CHECK (seq >= 1),
    event  BLOB    NOT NULL,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
