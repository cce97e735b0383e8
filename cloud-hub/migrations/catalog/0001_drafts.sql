-- The menu that somebody is writing, as it is written: a MenuV1. There is one.
CREATE TABLE menu_draft (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    menu        BLOB    NOT NULL,
    person      INTEGER,
    saved_at_ms INTEGER NOT NULL
) STRICT;

-- Who published a revision: the entry of the catalog's journal that did, and the number of a person of the office.
CREATE TABLE publication (
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL CHECK (seq >= 1),
    person      INTEGER NOT NULL,
    PRIMARY KEY (incarnation, seq)
) STRICT, WITHOUT ROWID;
