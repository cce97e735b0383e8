-- Who is signed in at the office, what they may do, and where. Written by identity, read by every process that is asked.
CREATE TABLE auth_session (
    -- Of what the browser holds.
    hash       BLOB    PRIMARY KEY CHECK (length(hash) = 32),
    user_id    INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    seen_at_ms INTEGER NOT NULL,
    ends_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX auth_session_user ON auth_session (user_id);

CREATE TABLE auth_grant (
    user_id INTEGER NOT NULL,
    -- 1 owner, 2 planner, 3 auditor, 4 manager, 5 technician
    role    INTEGER NOT NULL,
    -- 1 chain, 2 region, 3 district, 4 store
    scope   INTEGER NOT NULL,
    -- Which one; 0 for the chain.
    place   INTEGER NOT NULL CHECK (place >= 0),
    PRIMARY KEY (user_id, role, scope, place)
) STRICT, WITHOUT ROWID;

-- To which district and region a shop belongs.
CREATE TABLE auth_place (
    store    INTEGER PRIMARY KEY,
    district INTEGER NOT NULL,
    region   INTEGER NOT NULL
) STRICT;
