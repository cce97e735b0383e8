-- Tickets that are open. What each is is folded from its events in the sales journals; a row says how far it is and who has it,
-- and the name and the note that people give it, which stand here and nowhere else: a journal names nobody.

CREATE TABLE open_ticket (
    id           BLOB    PRIMARY KEY CHECK (length(id) = 16),
    -- Of a ticket of which nothing but other facts came back yet: none.
    opened_at_ms INTEGER,
    -- 1 open, 2 held, 3 abandoned, 4 paid.
    stage        INTEGER NOT NULL CHECK (stage BETWEEN 1 AND 4),
    terminal     TEXT,
    staff        INTEGER,
    name         TEXT,
    note         TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX open_ticket_live ON open_ticket (opened_at_ms, id) WHERE stage <= 2;
-- The part of its id that its idempotency key decides.
CREATE INDEX open_ticket_by_key ON open_ticket (substr(id, 9, 8));

-- Where its events stand, its sale included.
CREATE TABLE open_ticket_event (
    ticket BLOB    NOT NULL CHECK (length(ticket) = 16),
    life   INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (ticket, life, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX open_ticket_event_by_place ON open_ticket_event (life, seq);

-- Payments before the end: each is booked once, whichever life of the database brings it.
CREATE TABLE ticket_payment (
    id     BLOB PRIMARY KEY CHECK (length(id) = 16),
    ticket BLOB NOT NULL CHECK (length(ticket) = 16)
) STRICT, WITHOUT ROWID;

CREATE INDEX ticket_payment_by_key ON ticket_payment (substr(id, 9, 8));
