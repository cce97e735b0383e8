-- The authors' totals are the journal's, which has them also when they come without a new entry: no copy is kept here.
DROP TABLE stock_cell;
