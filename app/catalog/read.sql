-- name: plan
-- How many files the planner expects in the archive location, and how it would find them.
EXPLAIN (FORMAT JSON)
SELECT id, key_path, etag, size_in_bytes, storage_class_id FROM orca.files WHERE orca_archive_location = :archive_location;

-- name: table
-- How many rows the planner takes the table to have, and whether it knows which archive locations these have: where nobody has
-- looked, it expects one row in two hundred of any.
SELECT reltuples AS rows,
       EXISTS (
           SELECT FROM pg_stats
           WHERE schemaname = 'orca' AND tablename = 'files' AND attname = 'orca_archive_location'
       ) AS looked_at
FROM pg_class WHERE oid = CAST('orca.files' AS regclass);

-- name: storage_classes
SELECT id, value FROM orca.storage_class;
