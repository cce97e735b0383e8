-- Who may sign in at the office.
CREATE TABLE office_user (
    id              BIGINT PRIMARY KEY,
    name            TEXT COLLATE "C" NOT NULL UNIQUE,
    -- Argon2id, as a text that names its cost and its salt.
    password        TEXT COLLATE "C",
    totp            BYTEA  CHECK (totp IS NULL OR length(totp) = 20),
    -- The last step of which a code was taken: none is taken twice.
    totp_step       BIGINT NOT NULL,
    failures        BIGINT NOT NULL CHECK (failures >= 0),
    locked_until_ms BIGINT NOT NULL,
    -- 1 invited, 2 active, 3 disabled
    state           SMALLINT NOT NULL CHECK (state IN (1, 2, 3))
);

-- Nobody: a wrong try under a name that nobody has is written here, so that it takes as long as under somebody's.
INSERT INTO office_user (id, name, totp_step, failures, locked_until_ms, state) VALUES (0, '', 0, 0, 0, 3);

-- Who may choose a password once.
CREATE TABLE invitation (
    hash          BYTEA  PRIMARY KEY CHECK (length(hash) = 32),
    user_id       BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL
);

-- Who did what that not everybody may. Rows are only added.
CREATE TABLE doing (
    id    BIGINT PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    what  SMALLINT NOT NULL,
    about TEXT COLLATE "C" NOT NULL
);
