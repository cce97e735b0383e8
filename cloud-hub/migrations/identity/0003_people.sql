-- Who may sign in at the office.
CREATE TABLE office_user (
    id              INTEGER PRIMARY KEY,
    name            TEXT    NOT NULL UNIQUE,
    -- Argon2id, as a text that names its cost and its salt.
    password        TEXT,
    totp            BLOB    CHECK (totp IS NULL OR length(totp) = 20),
    -- The last step of which a code was taken: none is taken twice.
    totp_step       INTEGER NOT NULL,
    failures        INTEGER NOT NULL CHECK (failures >= 0),
    locked_until_ms INTEGER NOT NULL,
    -- 1 invited, 2 active, 3 disabled
    state           INTEGER NOT NULL CHECK (state IN (1, 2, 3))
) STRICT;

-- Nobody: a wrong try under a name that nobody has is written here, so that it takes as long as under somebody's.
INSERT INTO office_user (id, name, totp_step, failures, locked_until_ms, state) VALUES (0, '', 0, 0, 0, 3);

-- Who may choose a password once.
CREATE TABLE invitation (
    hash          BLOB    PRIMARY KEY CHECK (length(hash) = 32),
    user_id       INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who did what that not everybody may. Rows are only added.
CREATE TABLE doing (
    id    INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    actor TEXT    NOT NULL,
    what  INTEGER NOT NULL,
    about TEXT    NOT NULL
) STRICT;
