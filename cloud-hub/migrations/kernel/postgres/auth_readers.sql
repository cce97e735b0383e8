-- Whoever reads who is let in asks first whether the tables are those that it knows.
GRANT SELECT ON schema_migration TO percolate_reads_auth;
