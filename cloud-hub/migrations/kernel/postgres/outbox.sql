-- What a service has said, in each of its lives, in order, each entry made once. Whoever writes the hub's journal copies it.
CREATE TABLE outbox_life (
    stream        SMALLINT NOT NULL,
    incarnation   BIGINT   NOT NULL,
    seq           BIGINT   NOT NULL CHECK (seq >= 0),
    hash          BYTEA    NOT NULL CHECK (length(hash) = 32),
    hlc           BIGINT   NOT NULL,
    created_at_ms BIGINT   NOT NULL,
    PRIMARY KEY (stream, incarnation)
);

CREATE TABLE outbox_said (
    stream      SMALLINT NOT NULL,
    incarnation BIGINT   NOT NULL,
    seq         BIGINT   NOT NULL CHECK (seq >= 1),
    event       BYTEA    NOT NULL,
    hash        BYTEA    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (stream, incarnation, seq)
);

GRANT SELECT ON schema_migration, outbox_life, outbox_said TO percolate_journal;
