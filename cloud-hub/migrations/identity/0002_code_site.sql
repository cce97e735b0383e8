-- What was planned when the code was given out: the bundle of a code is made again of it. A SiteV1.
ALTER TABLE code ADD COLUMN site BLOB NOT NULL DEFAULT x'';
UPDATE code SET site = (SELECT content FROM site WHERE site.store = code.store);
