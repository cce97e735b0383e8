-- How far each projection of this service has read each journal; changes in the transaction that folds.
CREATE TABLE projection_position (
    projection  TEXT    NOT NULL,
    author      INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    stream      INTEGER NOT NULL,
    seq         INTEGER NOT NULL CHECK (seq >= 1),
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (projection, author, incarnation, stream)
) STRICT, WITHOUT ROWID;
