-- Lives of a database: why each began, on which machine, and what becomes of a past that the hub contests.

ALTER TABLE author_life ADD COLUMN parent  INTEGER REFERENCES author_life (life);
ALTER TABLE author_life ADD COLUMN reason  TEXT NOT NULL DEFAULT 'new'
    CHECK (reason IN ('new', 'moved', 'restored', 'forked', 'fenced', 'operator', 'returned'));
ALTER TABLE author_life ADD COLUMN machine BLOB CHECK (machine IS NULL OR length(machine) = 16);
-- The letters of its series of receipt numbers.
ALTER TABLE author_life ADD COLUMN label   TEXT NOT NULL DEFAULT 'A';

-- The life that is written now. It need not be the one that came last into this file.
CREATE TABLE present_life (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    life INTEGER NOT NULL REFERENCES author_life (life)
) STRICT;

INSERT INTO present_life SELECT 1, max(life) FROM author_life HAVING count(*) > 0;

-- Entries of an old life that are to be written again in the present one, because the hub holds others in their place.
CREATE TABLE repair (
    life        INTEGER NOT NULL REFERENCES author_life (life),
    stream      INTEGER NOT NULL,
    next_seq    INTEGER NOT NULL CHECK (next_seq >= 1),
    last_seq    INTEGER NOT NULL CHECK (last_seq >= next_seq),
    agreed_seq  INTEGER NOT NULL CHECK (agreed_seq >= 0),
    agreed_hash BLOB    NOT NULL CHECK (length(agreed_hash) = 32),
    PRIMARY KEY (life, stream)
) STRICT, WITHOUT ROWID;

-- Those entries as they were: nothing is ever deleted.
CREATE TABLE journal_set_aside (
    life   INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32),
    event  BLOB    NOT NULL,
    PRIMARY KEY (life, stream, seq, hash)
) STRICT, WITHOUT ROWID;

-- Where an event that was written again stands now, by the id that it has from its first place.
CREATE TABLE journal_origin (
    event_id BLOB    PRIMARY KEY CHECK (length(event_id) = 16),
    life     INTEGER NOT NULL,
    stream   INTEGER NOT NULL,
    seq      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What totals count twice, because an event stands in two journals.
CREATE TABLE stock_alias (
    stock_item INTEGER PRIMARY KEY,
    received   INTEGER NOT NULL CHECK (received >= 0),
    used       INTEGER NOT NULL CHECK (used >= 0)
) STRICT;

-- The part of a ticket's id that its idempotency key decides.
CREATE INDEX ticket_by_key ON ticket (substr(id, 9, 8));
