-- What the reports are read from. All of it is folded from the journal, and can be thrown away and folded again.

CREATE TABLE ticket (
    id          BYTEA    PRIMARY KEY CHECK (length(id) = 16),
    store       BIGINT   NOT NULL,
    day         INTEGER  NOT NULL,
    at_ms       BIGINT   NOT NULL,
    receipt     TEXT COLLATE "C",
    lines       BIGINT   NOT NULL,
    units       BIGINT   NOT NULL,
    net_minor   BIGINT   NOT NULL,
    tax_minor   BIGINT   NOT NULL,
    total_minor BIGINT   NOT NULL,
    tax_unknown SMALLINT NOT NULL CHECK (tax_unknown IN (0, 1))
);

CREATE INDEX ticket_by_store ON ticket (store, day, at_ms, id);
CREATE INDEX ticket_by_day ON ticket (day, at_ms);

-- The rows of imported tickets that are counted: none counts twice, whichever life of a node brings it in, and an item
-- counts a ticket once, whenever its lines come.
CREATE TABLE import_line (
    ticket       BYTEA NOT NULL,
    source_row   TEXT COLLATE "C" NOT NULL,
    item_key     TEXT COLLATE "C" NOT NULL,
    category_key TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (ticket, source_row)
);

-- Scope 0 is the chain, any other a store. Kind: 1 day, 2 hour, 3 item, 4 category.
CREATE TABLE rollup (
    scope       BIGINT   NOT NULL,
    kind        SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 4),
    day         INTEGER  NOT NULL,
    key         TEXT COLLATE "C" NOT NULL,
    tickets     BIGINT   NOT NULL,
    lines       BIGINT   NOT NULL,
    units       BIGINT   NOT NULL,
    net_minor   BIGINT   NOT NULL,
    tax_minor   BIGINT   NOT NULL,
    total_minor BIGINT   NOT NULL,
    tax_unknown_tickets BIGINT NOT NULL,
    PRIMARY KEY (scope, kind, day, key)
) WITH (fillfactor = 50);

-- What keys are called. The highest rank wins; of equal rank the name that sorts first.
CREATE TABLE name (
    key  TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    unit TEXT COLLATE "C" NOT NULL,
    rank BIGINT NOT NULL
);

-- Stores as their nodes described them. The highest rank wins; of equal rank the row that sorts first.
CREATE TABLE store (
    store        BIGINT PRIMARY KEY,
    name         TEXT COLLATE "C" NOT NULL,
    zone         TEXT COLLATE "C" NOT NULL,
    cutover_hour SMALLINT NOT NULL,
    currency     TEXT COLLATE "C" NOT NULL,
    rank         BIGINT NOT NULL
);

-- What was seen of each journal of a node, up to where it is folded: whose it is, the last receipt and moment, and how
-- many entries were passed over because this program cannot read them. Nothing is known of a store until one can be.
CREATE TABLE source_mark (
    author      BIGINT   NOT NULL,
    incarnation BIGINT   NOT NULL,
    stream      SMALLINT NOT NULL,
    store       BIGINT,
    receipt     TEXT COLLATE "C",
    at_ms       BIGINT,
    parked      BIGINT   NOT NULL CHECK (parked >= 0),
    PRIMARY KEY (author, incarnation, stream)
);

-- Stock as it was folded from the events; the authors' own totals are the journal's. They must agree.
CREATE TABLE stock_fold (
    store      BIGINT NOT NULL,
    stock_item BIGINT NOT NULL,
    received   BIGINT NOT NULL,
    used       BIGINT NOT NULL,
    PRIMARY KEY (store, stock_item)
);

-- What aliases moved: events that their author's totals count twice, because a later life wrote them again. What is on
-- hand is the authors' totals, joined, less these.
CREATE TABLE stock_alias (
    store      BIGINT NOT NULL,
    stock_item BIGINT NOT NULL,
    received   BIGINT NOT NULL,
    used       BIGINT NOT NULL,
    PRIMARY KEY (store, stock_item)
);
