-- What a life's stock totals came to when its node last vouched for them: compared where both sides hold the same journals.

ALTER TABLE node_life ADD COLUMN stock_compared_at_ms INTEGER;

-- 1 while the totals here are not those that the node states.
ALTER TABLE node_life ADD COLUMN stock_differs INTEGER NOT NULL DEFAULT 0 CHECK (stock_differs IN (0, 1));
