-- Who is let in, by the serial number of a certificate. Written by identity, read by every process that lets somebody in.
CREATE TABLE auth_device (
    serial        BLOB    PRIMARY KEY CHECK (length(serial) BETWEEN 1 AND 20),
    node          INTEGER NOT NULL,
    public_key    BLOB    NOT NULL CHECK (length(public_key) = 33),
    not_before_ms INTEGER NOT NULL,
    not_after_ms  INTEGER NOT NULL,
    -- 1 allowed, 2 superseded by a later one of the same box, 3 revoked
    state         INTEGER NOT NULL CHECK (state IN (1, 2, 3)),
    changed_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX auth_device_node ON auth_device (node);
