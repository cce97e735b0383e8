-- Drawers, cash that moves other than by a sale, and closing readings. What each row adds up stands in the sales journal.

-- A drawer whose cash came back from the hub before its opening did has no terminal yet.
CREATE TABLE drawer (
    session        BLOB    PRIMARY KEY CHECK (length(session) = 16),
    terminal       TEXT,
    opened_by      INTEGER,
    opened_at_ms   INTEGER,
    opened_day     INTEGER,
    float_minor    INTEGER NOT NULL DEFAULT 0,
    sold_minor     INTEGER NOT NULL DEFAULT 0,
    paid_in_minor  INTEGER NOT NULL DEFAULT 0,
    paid_out_minor INTEGER NOT NULL DEFAULT 0,
    dropped_minor  INTEGER NOT NULL DEFAULT 0,
    no_sales       INTEGER NOT NULL DEFAULT 0,
    closed_at_ms   INTEGER,
    closed_day     INTEGER,
    closed_by      INTEGER,
    counted_minor  INTEGER,
    -- What was told when it was counted; what came back later is in the sums above only.
    expected_minor INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX drawer_open ON drawer (terminal, opened_at_ms) WHERE closed_at_ms IS NULL;
CREATE INDEX drawer_by_opening ON drawer (opened_day);
CREATE INDEX drawer_by_closing ON drawer (closed_day);
-- The part of a drawer's id that its idempotency key decides.
CREATE INDEX drawer_by_key ON drawer (substr(session, 9, 8));

CREATE TABLE cash_movement (
    id   BLOB    PRIMARY KEY CHECK (length(id) = 16),
    life INTEGER NOT NULL,
    seq  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX cash_movement_by_key ON cash_movement (substr(id, 9, 8));
CREATE UNIQUE INDEX cash_movement_by_place ON cash_movement (life, seq);

CREATE TABLE reading (
    series TEXT    NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 1),
    life   INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (series, number)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX reading_by_place ON reading (life, seq);

-- How far each life's sales journal is in closing readings, by incarnation: a reading may come back before its life is known.
CREATE TABLE reading_end (
    incarnation INTEGER PRIMARY KEY,
    last_seq    INTEGER NOT NULL,
    -- How far it is in readings that were made here.
    made_seq    INTEGER NOT NULL
) STRICT;

-- Entries that came back into what a reading that was made here covers: the next reading counts them.
CREATE TABLE reading_late (
    life INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    PRIMARY KEY (life, seq)
) STRICT, WITHOUT ROWID;
