-- name: unequal
-- The rows of each side that have no equal on the other. `file` and `object` carry 128 bits of hash over all that is compared
-- of a row, key included: two numbers and an id stand for a file while the inventory streams past, and not its key.
CREATE TEMPORARY TABLE unequal AS
SELECT file.id AS file_id, object.key_path, object.etag, object.size_in_bytes, object.last_update, object.storage_class,
       object.delete_marker
FROM object
FULL JOIN file ON file.head = object.head AND file.tail = object.tail
WHERE file.id IS NULL OR object.key_path IS NULL;

-- name: totals
SELECT count(file_id) AS files, count(key_path) AS keys FROM unequal;

-- name: delete_markers
-- None of them has an equal.
SELECT count(*) FROM unequal WHERE delete_marker;

-- name: object_twice
SELECT key_path FROM unequal WHERE key_path IS NOT NULL GROUP BY key_path HAVING count(*) > 1 ORDER BY key_path LIMIT 1;

-- name: listed_twice
SELECT key_path FROM s3 GROUP BY key_path HAVING count(*) > 1 ORDER BY key_path LIMIT 1;

-- name: objects
SELECT key_path, etag, size_in_bytes, last_update, storage_class FROM unequal WHERE NOT delete_marker;

-- name: deleted
SELECT key_path, delete_marker FROM unequal WHERE delete_marker;

-- name: files
SELECT file_id FROM unequal WHERE file_id IS NOT NULL;
