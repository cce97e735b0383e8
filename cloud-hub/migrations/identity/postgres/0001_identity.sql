-- Shops as head office planned them; `content` is a SiteV1.
CREATE TABLE site (
    store      BIGINT PRIMARY KEY,
    node       BIGINT NOT NULL UNIQUE,
    name       TEXT COLLATE "C" NOT NULL,
    content    BYTEA    NOT NULL,
    -- How many bundles were made for it.
    bundles    BIGINT NOT NULL CHECK (bundles >= 0),
    made_at_ms BIGINT NOT NULL
);

-- Enrolment codes: what proves that somebody knows one, never the code itself.
CREATE TABLE code (
    id            BYTEA    PRIMARY KEY CHECK (length(id) = 8),
    -- Of the request that asked for it: asked again, it is the same one.
    request_key   TEXT COLLATE "C" NOT NULL UNIQUE,
    key           BYTEA    NOT NULL CHECK (length(key) = 32),
    salt          BYTEA    NOT NULL CHECK (length(salt) = 32),
    store         BIGINT NOT NULL,
    node          BIGINT NOT NULL,
    -- The number of the bundle that has it.
    bundle        BIGINT NOT NULL CHECK (bundle >= 1),
    -- 0 for a shop's first box, 1 for one in the place of another
    purpose       SMALLINT NOT NULL CHECK (purpose IN (0, 1)),
    made_at_ms    BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    used_at_ms    BIGINT,
    used_key      BYTEA    CHECK (used_key IS NULL OR length(used_key) = 33),
    used_machine  BYTEA    CHECK (used_machine IS NULL OR length(used_machine) = 16),
    tries         BIGINT NOT NULL CHECK (tries >= 0)
);

CREATE INDEX code_store ON code (store);

-- What a box was given, as it was told: the same request gets the same answer.
CREATE TABLE issued (
    serial       BYTEA PRIMARY KEY,
    answer       TEXT COLLATE "C" NOT NULL,
    issued_at_ms BIGINT NOT NULL
);

-- What a tech's program signed when a box was ready.
CREATE TABLE acceptance (
    node       BIGINT NOT NULL,
    made_at_ms BIGINT NOT NULL,
    body       BYTEA    NOT NULL,
    signature  BYTEA    NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (node, made_at_ms)
);
