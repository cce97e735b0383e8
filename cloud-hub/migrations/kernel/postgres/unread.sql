-- Entries that a projection of this service has passed over because its program could not read them.
CREATE TABLE projection_unread (
    projection  TEXT COLLATE "C" NOT NULL,
    author      BIGINT   NOT NULL,
    incarnation BIGINT   NOT NULL,
    stream      SMALLINT NOT NULL,
    seq         BIGINT   NOT NULL CHECK (seq >= 1),
    PRIMARY KEY (projection, author, incarnation, stream, seq)
);
