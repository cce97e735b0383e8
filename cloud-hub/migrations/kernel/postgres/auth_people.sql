-- Who is signed in at the office, what they may do, and where. Written by identity, read by every process that is asked.
CREATE TABLE auth_session (
    -- Of what the browser holds.
    hash       BYTEA  PRIMARY KEY CHECK (length(hash) = 32),
    user_id    BIGINT NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    seen_at_ms BIGINT NOT NULL,
    ends_at_ms BIGINT NOT NULL
);

CREATE INDEX auth_session_user ON auth_session (user_id);

CREATE TABLE auth_grant (
    user_id BIGINT   NOT NULL,
    -- 1 owner, 2 planner, 3 auditor, 4 manager, 5 technician
    role    SMALLINT NOT NULL,
    -- 1 chain, 2 region, 3 district, 4 store
    scope   SMALLINT NOT NULL,
    -- Which one; 0 for the chain.
    place   BIGINT   NOT NULL CHECK (place >= 0),
    PRIMARY KEY (user_id, role, scope, place)
);

-- To which district and region a shop belongs.
CREATE TABLE auth_place (
    store    BIGINT PRIMARY KEY,
    district BIGINT NOT NULL,
    region   BIGINT NOT NULL
);

GRANT SELECT ON auth_session, auth_grant, auth_place TO percolate_reads_auth;
