-- name: about
-- What the planner expects of a query for the archive location's files.
EXPLAIN (FORMAT JSON) SELECT FROM orca.files WHERE orca_archive_location = :archive_location;

-- name: storage_classes
SELECT id, value FROM orca.storage_class;
