-- name: about
-- How many files the archive location has, as the planner's statistics know it.
SELECT CAST(greatest(reltuples, 0) AS int8) FROM pg_class WHERE oid = CAST('orca.files' AS regclass);

-- name: storage_classes
SELECT id, value FROM orca.storage_class;
