-- Which chain this is, once it was moved to a server: from then on the files are what was, and nothing is started on them.
CREATE TABLE chain (
    id          INTEGER PRIMARY KEY,
    moved_at_ms INTEGER NOT NULL
) STRICT;
