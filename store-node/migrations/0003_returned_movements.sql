-- Movements that came back from the hub, by the part of their id that their idempotency key decides: whoever asks again
-- under that key is given the movement that was booked before the disk was lost.
CREATE TABLE movement_returned (
    key_part BLOB    PRIMARY KEY CHECK (length(key_part) = 8),
    life     INTEGER NOT NULL REFERENCES author_life (life),
    seq      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
