-- What is to be printed, and what was: a row a paper, written with what it is of. Rows of what is over are removed after a while; the
-- latest row never is, so that no number is given twice.
CREATE TABLE print_job (
    number       INTEGER PRIMARY KEY CHECK (number > 0),
    -- The life in which it was written, or was last looked at.
    life         INTEGER NOT NULL,
    printer      TEXT    NOT NULL,
    -- The till that it is of, if it is of one.
    terminal     TEXT,
    -- `drawer` opens a drawer. `kitchen` is what a kitchen prints.
    kind         TEXT    NOT NULL CHECK (kind IN ('receipt', 'refund', 'reading', 'drawer', 'kitchen')),
    ticket       BLOB    CHECK (ticket IS NULL OR length(ticket) = 16),
    -- The receipt's or the reading's number.
    label        TEXT    NOT NULL,
    -- What stands on it, as JSON; no width and no mark is in it.
    document     TEXT    NOT NULL,
    -- Which copy; 0 is the first paper.
    copy         INTEGER NOT NULL CHECK (copy >= 0),
    state        TEXT    NOT NULL CHECK (state IN ('queued', 'sending', 'printed', 'held', 'cancelled', 'expired')),
    -- Why it is held or expired.
    reason       TEXT,
    -- How often it may have gone out without an answer.
    unsure       INTEGER NOT NULL CHECK (unsure >= 0),
    queued_at_ms INTEGER NOT NULL,
    ended_at_ms  INTEGER
) STRICT;

CREATE INDEX print_job_waiting ON print_job (printer, number) WHERE state IN ('queued', 'sending', 'held');
CREATE INDEX print_job_ended ON print_job (ended_at_ms) WHERE ended_at_ms IS NOT NULL;
CREATE INDEX print_job_by_ticket ON print_job (ticket, number) WHERE ticket IS NOT NULL;

-- Tickets whose receipt was to be printed, and how many copies of it since. None is ever removed.
CREATE TABLE print_paper (
    ticket BLOB    PRIMARY KEY CHECK (length(ticket) = 16),
    copies INTEGER NOT NULL CHECK (copies >= 0)
) STRICT, WITHOUT ROWID;
