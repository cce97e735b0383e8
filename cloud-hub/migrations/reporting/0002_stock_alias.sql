-- What aliases moved: events that their author's totals count twice, because a later life wrote them again. What is on
-- hand is the authors' totals, joined, less these.
CREATE TABLE stock_alias (
    store      INTEGER NOT NULL,
    stock_item INTEGER NOT NULL,
    received   INTEGER NOT NULL,
    used       INTEGER NOT NULL,
    PRIMARY KEY (store, stock_item)
) STRICT, WITHOUT ROWID;
