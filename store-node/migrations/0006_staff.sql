-- The shop's people, as the box's description names them. No PIN stands here, and nothing that a badge says: of a PIN an argon2id
-- hash is kept, of a badge one by a key that only the box has.

CREATE TABLE staff (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    role       INTEGER NOT NULL CHECK (role BETWEEN 1 AND 3),
    -- Null for somebody who was given none.
    pin_hash   TEXT,
    badge_hash BLOB    CHECK (badge_hash IS NULL OR length(badge_hash) = 32),
    -- Of what is said of them, by a key that only the box has: a PIN that has not changed is not hashed anew.
    mark       BLOB    NOT NULL CHECK (length(mark) = 32),
    -- 0 for somebody whom the description names no longer.
    active     INTEGER NOT NULL CHECK (active IN (0, 1))
) STRICT;

CREATE UNIQUE INDEX staff_by_badge ON staff (badge_hash) WHERE badge_hash IS NOT NULL AND active = 1;

-- Who has signed in, where. Of a token the hash is kept. Several may be signed in at one terminal.
CREATE TABLE staff_session (
    hash       BLOB    PRIMARY KEY CHECK (length(hash) = 32),
    staff      INTEGER NOT NULL,
    -- The terminal's name; empty on the box itself.
    place      TEXT    NOT NULL,
    started_ms INTEGER NOT NULL,
    -- When they did something, written at most each half minute.
    last_ms    INTEGER NOT NULL,
    ended_ms   INTEGER
) STRICT, WITHOUT ROWID;

-- Wrong tries since the last right one, of a person ('p7') or at a place ('tT1', 't' on the box itself).
CREATE TABLE lockout (
    subject  TEXT    PRIMARY KEY,
    wrong    INTEGER NOT NULL CHECK (wrong >= 1),
    from_ms  INTEGER NOT NULL,
    until_ms INTEGER NOT NULL CHECK (until_ms >= from_ms)
) STRICT, WITHOUT ROWID;

-- What somebody has approved for another at a place: once, for two minutes.
CREATE TABLE approval (
    hash       BLOB    PRIMARY KEY CHECK (length(hash) = 32),
    act        TEXT    NOT NULL,
    approver   INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    place      TEXT    NOT NULL,
    expires_ms INTEGER NOT NULL,
    used_ms    INTEGER
) STRICT, WITHOUT ROWID;
