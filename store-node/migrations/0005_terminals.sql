-- Terminals of the shop, and the codes by which they are paired. No code and no token stands here: a code is made again
-- from its salt by the node's key, and so is a token that somebody asks for again; of a token the hash is kept.

CREATE TABLE pairing (
    id             INTEGER PRIMARY KEY CHECK (id BETWEEN 0 AND 1023),
    salt           BLOB    NOT NULL CHECK (length(salt) = 32),
    -- Of the request that it was made by.
    key_hash       BLOB    NOT NULL UNIQUE CHECK (length(key_hash) = 16),
    body_hash      BLOB    NOT NULL CHECK (length(body_hash) = 16),
    name           TEXT    NOT NULL,
    kind           INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 2),
    expires_at_ms  INTEGER NOT NULL,
    tries          INTEGER NOT NULL DEFAULT 0,
    redeemed_at_ms INTEGER,
    redeemed_by    BLOB    CHECK (redeemed_by IS NULL OR length(redeemed_by) = 32)
) STRICT;

CREATE TABLE terminal (
    hash          BLOB    PRIMARY KEY CHECK (length(hash) = 32),
    name          TEXT    NOT NULL,
    kind          INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 2),
    -- What it is, as it said itself.
    device        TEXT    NOT NULL,
    paired_at_ms  INTEGER NOT NULL,
    revoked_at_ms INTEGER,
    -- Noted along with sales, at most once a minute.
    seen_at_ms    INTEGER
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX terminal_by_name ON terminal (name) WHERE revoked_at_ms IS NULL;
