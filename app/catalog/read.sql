-- name: snapshot
SELECT pg_export_snapshot();

-- name: blocks
-- A block for each %2$s pages of the table, from block %3$s to block %4$s: see blocks.py. A template for `format`.
SELECT block.*
FROM generate_series(%3$s, %4$s) AS number
CROSS JOIN LATERAL (
    SELECT string_agg(int8send(id), '') AS id,
           string_agg(textsend(key_path), '\x00') AS key_path,
           string_agg(textsend(etag), '\x00') AS etag,
           string_agg(int8send(size_in_bytes), '') AS size_in_bytes,
           string_agg(int8send(storage_class_id), '') AS storage_class_id
    FROM orca.files
    WHERE orca_archive_location = %1$L
      AND ctid >= CAST(format('(%%s,0)', number * %2$s) AS tid)
      AND ctid < CAST(format('(%%s,0)', (number + 1) * %2$s) AS tid)
) AS block
WHERE block.id IS NOT NULL;

-- name: parts
-- A statement for each range of the table's blocks, for readers that share one snapshot; PostgreSQL quotes the archive
-- location. Every row that the snapshot sees lies below the table's size at this moment.
WITH the_table AS (
    SELECT pg_relation_size('orca.files') / (current_setting('block_size')::int8 * :block_pages) + 1 AS blocks
)
SELECT format(
    :template, CAST(:archive_location AS text), CAST(:block_pages AS int8),
    blocks * number / :parts, blocks * (number + 1) / :parts - 1
)
FROM the_table CROSS JOIN generate_series(0, :parts - 1) AS number
ORDER BY number;

-- name: about
-- How many files the archive location has, as the planner's statistics know it.
SELECT CAST(greatest(reltuples, 0) AS int8) FROM pg_class WHERE oid = CAST('orca.files' AS regclass);

-- name: storage_classes
SELECT id, value FROM orca.storage_class;
