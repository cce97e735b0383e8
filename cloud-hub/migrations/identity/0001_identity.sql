-- Shops as head office planned them; `content` is a SiteV1.
CREATE TABLE site (
    store      INTEGER PRIMARY KEY,
    node       INTEGER NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    content    BLOB    NOT NULL,
    -- How many bundles were made for it.
    bundles    INTEGER NOT NULL CHECK (bundles >= 0),
    made_at_ms INTEGER NOT NULL
) STRICT;

-- Enrolment codes: what proves that somebody knows one, never the code itself.
CREATE TABLE code (
    id            BLOB    PRIMARY KEY CHECK (length(id) = 8),
    -- Of the request that asked for it: asked again, it is the same one.
    request_key   TEXT    NOT NULL UNIQUE,
    key           BLOB    NOT NULL CHECK (length(key) = 32),
    salt          BLOB    NOT NULL CHECK (length(salt) = 32),
    store         INTEGER NOT NULL,
    node          INTEGER NOT NULL,
    -- The number of the bundle that has it.
    bundle        INTEGER NOT NULL CHECK (bundle >= 1),
    -- 0 for a shop's first box, 1 for one in the place of another
    purpose       INTEGER NOT NULL CHECK (purpose IN (0, 1)),
    made_at_ms    INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    used_at_ms    INTEGER,
    used_key      BLOB    CHECK (used_key IS NULL OR length(used_key) = 33),
    used_machine  BLOB    CHECK (used_machine IS NULL OR length(used_machine) = 16),
    tries         INTEGER NOT NULL CHECK (tries >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX code_store ON code (store);

-- What a box was given, as it was told: the same request gets the same answer.
CREATE TABLE issued (
    serial       BLOB    PRIMARY KEY,
    answer       TEXT    NOT NULL,
    issued_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a tech's program signed when a box was ready.
CREATE TABLE acceptance (
    node       INTEGER NOT NULL,
    made_at_ms INTEGER NOT NULL,
    body       BLOB    NOT NULL,
    signature  BLOB    NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (node, made_at_ms)
) STRICT, WITHOUT ROWID;
