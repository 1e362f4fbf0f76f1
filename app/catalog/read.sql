-- name: snapshot
SELECT pg_export_snapshot();

-- name: parts
-- A statement for each range of the table's pages, for readers that share one snapshot; PostgreSQL quotes the archive
-- location. The last range is open: every row that the snapshot sees lies below the table's size at this moment anyway.
WITH cut AS (
    SELECT number, (pg_relation_size('orca.files') / current_setting('block_size')::int8) * number / :parts AS page
    FROM generate_series(0, :parts - 1) AS number
)
SELECT format(
    'SELECT id, key_path, etag, size_in_bytes, storage_class_id FROM orca.files '
    'WHERE orca_archive_location = %L AND ctid >= %L::tid',
    CAST(:archive_location AS text), format('(%s,0)', cut.page)
) || coalesce(' AND ctid < ' || quote_literal('(' || lead(cut.page) OVER (ORDER BY cut.number) || ',0)') || '::tid', '')
FROM cut ORDER BY cut.number;

-- name: about
-- How many files the archive location has, as the planner's statistics know it.
SELECT CAST(greatest(reltuples, 0) AS int8) FROM pg_class WHERE oid = CAST('orca.files' AS regclass);

-- name: storage_classes
SELECT id, value FROM orca.storage_class;
