-- Who is let in, by the serial number of a certificate. Written by identity, read by every process that lets somebody in.
CREATE TABLE auth_device (
    serial        BYTEA    PRIMARY KEY CHECK (length(serial) BETWEEN 1 AND 20),
    node          BIGINT   NOT NULL,
    public_key    BYTEA    NOT NULL CHECK (length(public_key) = 33),
    not_before_ms BIGINT   NOT NULL,
    not_after_ms  BIGINT   NOT NULL,
    -- 1 allowed, 2 superseded by a later one of the same box, 3 revoked
    state         SMALLINT NOT NULL CHECK (state IN (1, 2, 3)),
    changed_at_ms BIGINT   NOT NULL
);

CREATE INDEX auth_device_node ON auth_device (node);

GRANT SELECT ON auth_device TO percolate_reads_auth;
