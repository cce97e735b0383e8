-- Money that is no sale and no refund counts once, whichever life of a node states it: by the id of a payment, and what is said of it;
-- 1 a part of an open ticket, 2 a card that was taken on trust and is approved, 3 one that is lost, 4 money back that no card took.
CREATE TABLE money_between (
    id   BLOB    NOT NULL CHECK (length(id) = 16),
    what INTEGER NOT NULL CHECK (what BETWEEN 1 AND 4),
    PRIMARY KEY (id, what)
) STRICT, WITHOUT ROWID;

-- The journals are folded once more: parts of open tickets and what became of cards are in the means of payment now.
DELETE FROM ticket;
DELETE FROM refund;
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
DELETE FROM ticket_flag;
DELETE FROM ticket_unmatched;
DELETE FROM menu_said;
DELETE FROM clock_doubt;
DELETE FROM projection_position;
