-- A sale's own row knows what its idempotency key was used for: an answer is made again from the journal, and a sale
-- writes on fewer pages. What was answered before stays where it is.

CREATE TABLE ticket_of_one_row (
    life        INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    id          BLOB    NOT NULL CHECK (length(id) = 16),
    day         INTEGER NOT NULL,
    class       INTEGER NOT NULL CHECK (class BETWEEN 1 AND 3),
    receipt     TEXT,
    lines       INTEGER NOT NULL,
    units       INTEGER NOT NULL,
    net_minor   INTEGER NOT NULL,
    tax_minor   INTEGER NOT NULL,
    total_minor INTEGER NOT NULL,
    -- Of the request that it was sold by; not of a ticket that was imported, or came back from the hub.
    body_hash   BLOB    CHECK (body_hash IS NULL OR length(body_hash) = 16),
    PRIMARY KEY (life, seq)
) STRICT, WITHOUT ROWID;

INSERT INTO ticket_of_one_row
SELECT life, seq, id, day, class, receipt, lines, units, net_minor, tax_minor, total_minor, NULL FROM ticket;

DROP TABLE ticket;
ALTER TABLE ticket_of_one_row RENAME TO ticket;

CREATE INDEX ticket_by_day ON ticket (day, life, seq);

-- By the part of the id that the idempotency key decides, and then by the rest of it.
CREATE UNIQUE INDEX ticket_by_key ON ticket (substr(id, 9, 8), substr(id, 1, 8));
