-- The menu file that was published last at a start: its hash. It is not published again over what was published since.
CREATE TABLE menu_file (
    id   BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    hash BYTEA  NOT NULL CHECK (length(hash) = 32)
);
