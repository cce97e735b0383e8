-- What is to be prepared. A kitchen's screen is no book: nothing of it is in a journal, and what is old is taken away.

CREATE TABLE prep_ticket (
    -- In the order in which they were sent.
    number         INTEGER PRIMARY KEY,
    -- Derived from ticket, station and sending, so that none is made twice.
    id             BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    ticket         BLOB    NOT NULL CHECK (length(ticket) = 16),
    station        TEXT    NOT NULL,
    receipt        TEXT,
    -- Of an order that was sold in one step; an open ticket has its name itself.
    name           TEXT,
    dine_in        INTEGER NOT NULL CHECK (dine_in IN (0, 1)),
    training       INTEGER NOT NULL CHECK (training IN (0, 1)),
    -- 1 queued, 2 made, 3 called back.
    stage          INTEGER NOT NULL CHECK (stage BETWEEN 1 AND 3),
    turn           INTEGER NOT NULL,
    -- Counts the changes of all, so that screens are told of each.
    change         INTEGER NOT NULL UNIQUE,
    queued_at_ms   INTEGER NOT NULL,
    made_at_ms     INTEGER,
    recalled_at_ms INTEGER,
    -- What is to be prepared, as JSON.
    dishes         TEXT    NOT NULL
) STRICT;

CREATE INDEX prep_ticket_waiting ON prep_ticket (number) WHERE stage <> 2;
CREATE INDEX prep_ticket_made ON prep_ticket (made_at_ms, change) WHERE stage = 2;
CREATE INDEX prep_ticket_by_ticket ON prep_ticket (ticket);

-- What is known of a line of an open ticket and stands in no journal: its note, and whether the kitchen has it.
CREATE TABLE kitchen_line (
    line   BLOB    PRIMARY KEY CHECK (length(line) = 8),
    -- The ticket that has it now.
    ticket BLOB    NOT NULL CHECK (length(ticket) = 16),
    note   TEXT,
    -- 0 not sent, 1 sent, 2 not known.
    sent   INTEGER NOT NULL CHECK (sent BETWEEN 0 AND 2),
    -- Where it stands, if it was sent from here.
    prep   BLOB    CHECK (prep IS NULL OR length(prep) = 16),
    place  INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX kitchen_line_by_ticket ON kitchen_line (ticket);
