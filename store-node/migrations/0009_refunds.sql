-- What was given back: one row a refund, in the order of the sales journal. What came back and the money of it are in the event.
CREATE TABLE refund (
    life        INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    id          BLOB    NOT NULL CHECK (length(id) = 16),
    ticket      BLOB    NOT NULL CHECK (length(ticket) = 16),
    day         INTEGER NOT NULL,
    -- 1 for a sale's, 2 for practice.
    class       INTEGER NOT NULL CHECK (class BETWEEN 1 AND 2),
    units       INTEGER NOT NULL,
    net_minor   INTEGER NOT NULL,
    tax_minor   INTEGER NOT NULL,
    total_minor INTEGER NOT NULL,
    PRIMARY KEY (life, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX refund_by_ticket ON refund (ticket, life, seq);
CREATE INDEX refund_by_day ON refund (day);

-- By the part of the id that the idempotency key decides, and then by the rest of it.
CREATE UNIQUE INDEX refund_by_key ON refund (substr(id, 9, 8), substr(id, 1, 8));
