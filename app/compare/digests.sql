-- name: files
CREATE TABLE file AS SELECT id, head, tail FROM catalog_file;

-- name: unequal
-- Not a temporary table, which other connections would not see.
CREATE TABLE unequal (
    file_id BIGINT, key_path VARCHAR, etag VARCHAR, size_in_bytes BIGINT, last_update TIMESTAMPTZ, storage_class VARCHAR,
    delete_marker BOOLEAN
);

-- name: objects
INSERT INTO unequal BY NAME
SELECT key_path, etag, size_in_bytes, last_update, storage_class, delete_marker FROM kept;

-- name: files_alone
INSERT INTO unequal BY NAME
SELECT part.id AS file_id FROM part SEMI JOIN lonely USING (head);

-- name: others
-- How many files have met an object, and the sum of their tails.
SELECT count(*), coalesce(sum(tail), 0) FROM part ANTI JOIN lonely USING (head);

-- name: drop
DROP TABLE unequal;
