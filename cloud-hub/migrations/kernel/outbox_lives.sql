-- What a service said in earlier runs. Each run that says something begins a life of its own, so that no two pasts ever
-- write one journal: whoever holds more of a life than the hub, after a restore, holds its true continuation.
CREATE TABLE outbox_past (
    stream      INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL CHECK (seq >= 1),
    event       BLOB    NOT NULL,
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (stream, incarnation, seq)
) STRICT, WITHOUT ROWID;
