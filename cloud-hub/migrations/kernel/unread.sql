-- Entries that a projection of this service has passed over because its program could not read them.
CREATE TABLE projection_unread (
    projection  TEXT    NOT NULL,
    author      INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    stream      INTEGER NOT NULL,
    seq         INTEGER NOT NULL CHECK (seq >= 1),
    PRIMARY KEY (projection, author, incarnation, stream, seq)
) STRICT, WITHOUT ROWID;
