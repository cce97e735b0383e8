-- Stands in for another part's migration of this number; it changes nothing.
SELECT 11;
