-- Tickets looked at again: what of them does not add up, or is not as their menu has it. Nothing is ever rewritten.

-- Number says which line or class; -1 where a part is there once. Of the menu are those that another menu may take back.
CREATE TABLE ticket_flag (
    ticket   BYTEA NOT NULL CHECK (length(ticket) = 16),
    part     TEXT COLLATE "C" NOT NULL,
    number   BIGINT NOT NULL,
    of_menu  SMALLINT NOT NULL CHECK (of_menu IN (0, 1)),
    store    BIGINT NOT NULL,
    day      INTEGER NOT NULL,
    at_ms    BIGINT NOT NULL,
    receipt  TEXT COLLATE "C" NOT NULL,
    said     BIGINT NOT NULL,
    computed BIGINT NOT NULL,
    PRIMARY KEY (ticket, part, number)
);

CREATE INDEX ticket_flag_by_day ON ticket_flag (day, at_ms, ticket);

-- Tickets that agree with no menu that is here: it has not come yet, or has other prices. They are looked at when one comes.
CREATE TABLE ticket_unmatched (
    revision BIGINT NOT NULL,
    ticket   BYTEA NOT NULL CHECK (length(ticket) = 16),
    store    BIGINT NOT NULL,
    day      INTEGER NOT NULL,
    event    BYTEA NOT NULL,
    PRIMARY KEY (revision, ticket)
);

-- What the catalog has said in each of its lives, each of which states the menu whole. Nothing where this program cannot read it.
CREATE TABLE menu_said (
    incarnation BIGINT NOT NULL,
    seq         BIGINT NOT NULL,
    revision    BIGINT,
    event       BYTEA,
    PRIMARY KEY (incarnation, seq)
);

CREATE INDEX menu_said_by_revision ON menu_said (revision, incarnation, seq) WHERE revision IS NOT NULL;

-- Events whose clock was known to be wrong, by shop, day and box.
CREATE TABLE clock_doubt (
    store      BIGINT NOT NULL,
    day        INTEGER NOT NULL,
    author     BIGINT NOT NULL,
    events     BIGINT NOT NULL,
    last_at_ms BIGINT NOT NULL,
    PRIMARY KEY (store, day, author)
);

-- What people have decided about differences. It is not folded, and stays when all else is folded anew.
CREATE TABLE difference_settled (
    ticket   BYTEA NOT NULL CHECK (length(ticket) = 16),
    part     TEXT COLLATE "C" NOT NULL,
    number   BIGINT NOT NULL,
    said     BIGINT NOT NULL,
    computed BIGINT NOT NULL,
    who      TEXT COLLATE "C" NOT NULL,
    at_ms    BIGINT NOT NULL,
    reason   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (ticket, part, number, said, computed)
);

-- The journals are folded once more, for these tables are empty.
DELETE FROM ticket;
DELETE FROM import_line;
DELETE FROM rollup;
DELETE FROM name;
DELETE FROM store;
DELETE FROM source_mark;
DELETE FROM stock_fold;
DELETE FROM stock_alias;
DELETE FROM closing;
DELETE FROM closing_part;
DELETE FROM closing_range;
DELETE FROM sales_sum;
DELETE FROM sales_sum_at;
DELETE FROM projection_position;
