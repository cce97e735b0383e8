-- Which chain is moved here from files, if one is: on its way (1), or arrived (2).
CREATE TABLE chain (
    id    BIGINT   PRIMARY KEY,
    state SMALLINT NOT NULL CHECK (state IN (1, 2))
);
