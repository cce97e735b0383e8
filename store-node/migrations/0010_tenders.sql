-- Payments by card that were asked for at the counter. A row is written before the card terminal is asked, and none is ever deleted.
-- No digit of a card stands here but the last four.

CREATE TABLE card_payment (
    id           BLOB    PRIMARY KEY CHECK (length(id) = 16),
    -- The till's name.
    terminal     TEXT    NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    training     INTEGER NOT NULL CHECK (training IN (0, 1)),
    state        TEXT    NOT NULL
        CHECK (state IN ('asked', 'unknown', 'approved', 'declined', 'stored', 'reversing', 'reversed')),
    asked_at_ms  INTEGER NOT NULL,
    -- Since when it is taken on trust.
    stored_at_ms INTEGER,
    reference    TEXT,
    last_four    INTEGER CHECK (last_four BETWEEN 0 AND 9999),
    -- Why it was declined.
    reason       TEXT,
    -- The ticket that counts it.
    ticket       BLOB    CHECK (ticket IS NULL OR length(ticket) = 16)
) STRICT, WITHOUT ROWID;

CREATE INDEX card_payment_waiting ON card_payment (asked_at_ms) WHERE state IN ('asked', 'unknown', 'stored', 'reversing');
CREATE INDEX card_payment_unmatched ON card_payment (asked_at_ms) WHERE ticket IS NULL;
-- The part of a payment's id that its idempotency key decides.
CREATE INDEX card_payment_by_key ON card_payment (substr(id, 9, 8));
