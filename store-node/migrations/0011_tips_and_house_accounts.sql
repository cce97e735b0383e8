-- What was said of tickets' tips after their sale, each once, in the order in which it came here.
CREATE TABLE ticket_tip (
    arrived    INTEGER PRIMARY KEY,
    id         BLOB    NOT NULL CHECK (length(id) = 16),
    ticket     BLOB    NOT NULL CHECK (length(ticket) = 16),
    turn       INTEGER NOT NULL,
    day        INTEGER NOT NULL,
    -- 1 at a card terminal that is not ours, 2 at the shop's.
    card       INTEGER NOT NULL CHECK (card BETWEEN 1 AND 2),
    -- What the sale said.
    sold_minor INTEGER NOT NULL,
    tip_minor  INTEGER NOT NULL,
    seller     INTEGER
) STRICT;

CREATE INDEX ticket_tip_by_ticket ON ticket_tip (ticket, arrived);
CREATE INDEX ticket_tip_by_day ON ticket_tip (day, ticket);
-- By the part of the id that the idempotency key decides, and then by the rest of it.
CREATE UNIQUE INDEX ticket_tip_by_key ON ticket_tip (substr(id, 9, 8), substr(id, 1, 8));

-- Tips of parts of tickets that were open: money of the day on which the part was paid.
CREATE TABLE part_tip (
    payment   BLOB    PRIMARY KEY CHECK (length(payment) = 16),
    day       INTEGER NOT NULL,
    seller    INTEGER,
    tip_minor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX part_tip_by_day ON part_tip (day);

-- What was put on house accounts, less what was given back.
CREATE TABLE house_day (
    day          INTEGER NOT NULL,
    account      INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL,
    PRIMARY KEY (day, account)
) STRICT, WITHOUT ROWID;

-- The cash that a guest got back where the card was counted for a ticket that had been sold for cash.
ALTER TABLE card_payment ADD COLUMN exchanged_minor INTEGER;

CREATE INDEX card_payment_exchanged ON card_payment (ticket) WHERE exchanged_minor IS NOT NULL;
