-- All lives of a service stand side by side, the present one among them: several processes of one service may each say
-- something, and none of them moves what another has said.
CREATE TABLE outbox_life (
    stream        INTEGER NOT NULL,
    incarnation   INTEGER NOT NULL,
    seq           INTEGER NOT NULL CHECK (seq >= 0),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    hlc           INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (stream, incarnation)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox_said (
    stream      INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL CHECK (seq >= 1),
    event       BLOB    NOT NULL,
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (stream, incarnation, seq)
) STRICT, WITHOUT ROWID;

INSERT INTO outbox_said (stream, incarnation, seq, event, hash)
SELECT stream, incarnation, seq, event, hash FROM outbox_past;

INSERT INTO outbox_said (stream, incarnation, seq, event, hash)
SELECT entry.stream, present.incarnation, entry.seq, entry.event, entry.hash
FROM outbox_entry AS entry JOIN outbox_journal AS present ON present.stream = entry.stream;

INSERT INTO outbox_life (stream, incarnation, seq, hash, hlc, created_at_ms)
SELECT stream, incarnation, seq, hash, hlc, created_at_ms FROM outbox_journal;

-- The clock of earlier lives was carried on by the present one.
INSERT INTO outbox_life (stream, incarnation, seq, hash, hlc, created_at_ms)
SELECT stream, incarnation, seq, hash, 0, 0 FROM outbox_past AS past
WHERE seq = (SELECT max(seq) FROM outbox_past AS same
             WHERE same.stream = past.stream AND same.incarnation = past.incarnation)
ON CONFLICT (stream, incarnation) DO NOTHING;

DROP TABLE outbox_entry;
DROP TABLE outbox_past;
DROP TABLE outbox_journal;
