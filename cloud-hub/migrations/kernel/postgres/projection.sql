-- How far each projection of this service has read each journal; changes in the transaction that folds.
CREATE TABLE projection_position (
    projection  TEXT COLLATE "C" NOT NULL,
    author      BIGINT   NOT NULL,
    incarnation BIGINT   NOT NULL,
    stream      SMALLINT NOT NULL,
    seq         BIGINT   NOT NULL CHECK (seq >= 1),
    hash        BYTEA    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (projection, author, incarnation, stream)
);
