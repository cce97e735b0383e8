-- What only one process does at a time: who, and until when by the server's clock.
CREATE TABLE duty (
    name     TEXT COLLATE "C" PRIMARY KEY,
    holder   BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);
