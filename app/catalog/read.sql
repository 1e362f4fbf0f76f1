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
    'SELECT files.id, files.key_path, btrim(files.etag, ''"'') AS etag, files.size_in_bytes, class.value AS storage_class '
    'FROM orca.files AS files JOIN orca.storage_class AS class ON class.id = files.storage_class_id '
    'WHERE files.orca_archive_location = %L AND files.ctid >= %L::tid',
    CAST(:archive_location AS text), format('(%s,0)', cut.page)
) || coalesce(' AND files.ctid < ' || quote_literal('(' || lead(cut.page) OVER (ORDER BY cut.number) || ',0)') || '::tid', '')
FROM cut ORDER BY cut.number;

-- name: about
-- How many files the archive location has, as the planner's statistics know it.
SELECT CAST(greatest(reltuples, 0) AS int8) FROM pg_class WHERE oid = CAST('orca.files' AS regclass);
