-- What only Spark needs. The rules themselves are `app/inventory/sql/*.sql` and `publish.sql`, of which the former run
-- here as they are (`app.compare.spark_dialect`); these functions are the names in them that Spark does not know.

-- name: error
-- Fail the query, and say in which file; before the first shuffle Spark knows it.
CREATE OR REPLACE TEMPORARY FUNCTION error(message STRING) RETURNS STRING
RETURN raise_error('fault in ' || input_file_name() || ': ' || message);

-- name: strlen
CREATE OR REPLACE TEMPORARY FUNCTION strlen(text STRING) RETURNS BIGINT
RETURN octet_length(text);

-- name: regexp_matches
CREATE OR REPLACE TEMPORARY FUNCTION regexp_matches(text STRING, pattern STRING) RETURNS BOOLEAN
RETURN text RLIKE pattern;

-- name: sound_text
-- Spark takes text in columnar files on trust; PostgreSQL does not.
CREATE OR REPLACE TEMPORARY FUNCTION sound_text(text STRING) RETURNS STRING
RETURN CASE WHEN text IS NULL OR is_valid_utf8(text) THEN text ELSE error('it holds text that is not UTF-8') END;

-- name: csv_text
-- Spark's CSV reader puts U+FFFD in place of what is not UTF-8, so the character itself is refused as well.
CREATE OR REPLACE TEMPORARY FUNCTION csv_text(written STRING) RETURNS STRING
RETURN CASE
    WHEN contains(written, CAST(unhex('EFBFBD') AS STRING))
        THEN error('it holds text that is not UTF-8')
    ELSE coalesce(written, '')
END;

-- name: csv_key
-- Decoding, too, puts U+FFFD in place of what is not UTF-8: there must not be more of them than the key spells out.
CREATE OR REPLACE TEMPORARY FUNCTION csv_key(written STRING, decoded STRING) RETURNS STRING
RETURN CASE
    WHEN contains(decoded, CAST(unhex('EFBFBD') AS STRING))
         AND regexp_count(decoded, CAST(unhex('EFBFBD') AS STRING)) <> regexp_count(upper(written), '%EF%BF%BD')
        THEN error('its key is not UTF-8 once it is decoded')
    ELSE decoded
END;

-- name: csv_truth
CREATE OR REPLACE TEMPORARY FUNCTION csv_truth(written STRING) RETURNS BOOLEAN
RETURN CASE coalesce(written, '')
    WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE WHEN '' THEN NULL
    ELSE CAST(error('IsLatest and IsDeleteMarker must be true or false') AS BOOLEAN)
END;

-- name: csv_number
CREATE OR REPLACE TEMPORARY FUNCTION csv_number(written STRING) RETURNS BIGINT
RETURN CASE
    WHEN coalesce(written, '') = '' THEN NULL
    WHEN written RLIKE '^-?[0-9]+$' AND try_cast(written AS BIGINT) IS NOT NULL THEN CAST(written AS BIGINT)
    ELSE CAST(error('Size must be a whole number') AS BIGINT)
END;

-- name: csv_time
-- Spark would read `2024` as a time, too, and one without a zone as that of the session.
CREATE OR REPLACE TEMPORARY FUNCTION csv_time(written STRING) RETURNS TIMESTAMP
RETURN CASE
    WHEN coalesce(written, '') = '' THEN NULL
    WHEN written RLIKE '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$'
         AND try_cast(written AS TIMESTAMP) IS NOT NULL
        THEN CAST(written AS TIMESTAMP)
    ELSE CAST(error('LastModifiedDate must be a time such as 2024-05-06T22:37:48.000Z') AS TIMESTAMP)
END;

-- name: zones
-- The time zones of the workers' Java, by which Spark reads the times in ORC files.
SELECT DISTINCT java_method('java.time.ZoneId', 'systemDefault') AS zone FROM range(0, 8, 1, 8);

-- name: once
-- What is in S3, and an error where a key is listed twice. The join needs the same order and distribution as the window,
-- so that counting costs neither a sort nor a shuffle of its own. Both sides are sorted by a hash before the key: keys begin
-- alike, and comparing them costs far more than comparing numbers.
SELECT place, key_path, etag, size_in_bytes, last_update, storage_class
FROM (
    SELECT *, row_number() OVER (PARTITION BY place, key_path ORDER BY place) AS listing
    FROM (SELECT *, xxhash64(key_path) AS place FROM latest)
)
WHERE CASE WHEN listing = 1 THEN NOT delete_marker ELSE CAST(raise_error('listed twice: ' || key_path) AS BOOLEAN) END;

-- name: differences
-- A file or what S3 says of a key, where one has no other, and both where they may differ; which of them are findings,
-- `publish.sql` decides.
SELECT catalog.id AS file_id, s3.key_path, s3.etag, s3.size_in_bytes, s3.last_update, s3.storage_class
FROM (SELECT *, xxhash64(key_path) AS place FROM catalog) AS catalog
FULL JOIN s3 ON s3.place = catalog.place AND s3.key_path = catalog.key_path
WHERE catalog.key_path IS NULL
   OR s3.key_path IS NULL
   OR (:etag AND catalog.etag <> s3.etag)
   OR (:size_in_bytes AND catalog.size_in_bytes <> s3.size_in_bytes)
   OR (:storage_class AND catalog.storage_class <> s3.storage_class);

-- name: listed_as_latest
-- The files that list a key as latest.
SELECT DISTINCT input_file_name() AS file FROM raw WHERE is_latest AND key = :key;

-- name: closed
-- Fail where a CSV file ends within a quoted field: its quotes are then odd in number. Spark's CSV reader would take what is
-- there for the field, and hand over a row that was cut as if it were whole.
SELECT raise_error('fault in ' || file || ': it ends within a quoted field') AS fault
FROM (SELECT input_file_name() AS file, length(value) - length(replace(value, '"', '')) AS quotes FROM lines)
GROUP BY file
HAVING sum(quotes) % 2 = 1;

-- name: catalog_bytes
SELECT pg_relation_size('orca.files');

-- name: catalog_parts
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

-- name: end_readers
-- End the connections of a run's readers, wherever they are. Spark's interrupt does not reach who waits for an answer of
-- PostgreSQL, for a lock above all: the task, or the driver that asks for the columns, would wait on and keep its core.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :reader AND datname = current_database();
