-- Money that goes back on a card: written with its refund, before the card terminal is asked, and never deleted.
CREATE TABLE card_refund (
    -- What the card terminal knows it by.
    id           BLOB    PRIMARY KEY CHECK (length(id) = 16),
    refund       BLOB    NOT NULL CHECK (length(refund) = 16),
    payment      BLOB    NOT NULL CHECK (length(payment) = 16),
    ticket       BLOB    NOT NULL CHECK (length(ticket) = 16),
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    state        TEXT    NOT NULL CHECK (state IN ('asked', 'credited', 'owed')),
    reference    TEXT,
    -- Why no card took it.
    reason       TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX card_refund_waiting ON card_refund (id) WHERE state = 'asked';
CREATE INDEX card_refund_owed ON card_refund (payment) WHERE state = 'owed';
CREATE INDEX card_refund_by_ticket ON card_refund (ticket);
