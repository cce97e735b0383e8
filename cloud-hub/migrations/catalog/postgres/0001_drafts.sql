-- The menu that somebody is writing, as it is written: a MenuV1. There is one.
CREATE TABLE menu_draft (
    id          BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    menu        BYTEA  NOT NULL,
    person      BIGINT,
    saved_at_ms BIGINT NOT NULL
);

-- Who published a revision: the entry of the catalog's journal that did, and the number of a person of the office.
CREATE TABLE publication (
    incarnation BIGINT NOT NULL,
    seq         BIGINT NOT NULL CHECK (seq >= 1),
    person      BIGINT NOT NULL,
    PRIMARY KEY (incarnation, seq)
);
