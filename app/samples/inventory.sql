-- objects: the rows of the inventory, with the columns and types of the ORC and Parquet reports.
CREATE VIEW objects AS
WITH told AS (
    SELECT
        *,
        -- The latest version of what was deleted; and sometimes an earlier one, of what was deleted and came back.
        CASE version
            WHEN 0 THEN state = 'deleted'
            WHEN 1 THEN state = 'listed' AND old = 2 AND slot % 2 = 0
            ELSE false
        END AS marker,
        CASE
            WHEN marker THEN NULL
            WHEN version > 0 THEN version * (size_in_bytes // 3)
            WHEN size_differs THEN size_in_bytes + 1 + draw('other size', slot_dice) % 4096
            ELSE size_in_bytes
        END AS size,
        CASE
            WHEN marker THEN NULL
            WHEN version > 0 OR etag_differs THEN digest('other etag', slot * 3 + version)
            ELSE etag
        END AS e_tag,
        CASE
            WHEN marker THEN NULL
            WHEN version > 0 THEN pick(['STANDARD', 'GLACIER', 'STANDARD_IA'], draw('other class', slot_dice))
            WHEN NOT class_differs THEN storage_class
            ELSE pick(
                ['STANDARD', 'STANDARD_IA', 'GLACIER_IR', if(storage_class = 'GLACIER', 'DEEP_ARCHIVE', 'GLACIER')],
                draw('other class', slot_dice)
            )
        END AS s3_class,
        CASE
            WHEN version = 0 AND late THEN getvariable('created') + to_seconds(draw('modified', slot_dice) % 36000)
            WHEN version = 0 AND marker THEN ingest_time + to_seconds(draw('modified', slot_dice) % 5000000)
            WHEN version = 0 THEN ingest_time - to_seconds(1 + draw('modified', slot_dice) % 600)
            ELSE ingest_time - to_seconds(600 + version * (1 + draw('modified', slot_dice) % 2000000))
        END AS last_modified
    FROM files
    WHERE state <> 'absent'
)
SELECT
    getvariable('bucket') AS bucket,
    key_path AS key,
    -- What was stored before the bucket had versioning has the null version.
    CASE
        WHEN version < old OR draw('unversioned', slot_dice) % 6 > 0 THEN
            replace(
                replace(base64(unhex(digest('version', slot * 3 + version) || left(digest('slot', slot), 16))), '+', '_'),
                '/',
                '.'
            )
    END AS version_id,
    version = 0 AS is_latest,
    marker AS is_delete_marker,
    size,
    last_modified::TIMESTAMP_MS AS last_modified_date,
    e_tag,
    s3_class AS storage_class,
    contains(e_tag, '-') AS is_multipart_uploaded,
    CASE
        WHEN NOT marker AND size > 1000000 THEN
            pick(['COMPLETED', 'COMPLETED', 'COMPLETED', 'PENDING', 'FAILED'], draw('replicated', slot_dice))
    END AS replication_status,
    CASE
        WHEN NOT marker THEN pick(['SSE-S3', 'SSE-S3', 'SSE-KMS', 'NOT-SSE'], draw('encrypted', slot_dice))
    END AS encryption_status
FROM told;

-- s3_encoded: a key as S3 percent-encodes it: all but letters, digits and -._*/ ; a space is %20.
CREATE MACRO s3_encoded(key) AS replace(replace(replace(url_encode(key), '%2F', '/'), '%2A', '*'), '~', '%7E');

-- objects_as_text: the same rows as the CSV reports have them; what is missing is an empty string.
CREATE VIEW objects_as_text AS
SELECT
    bucket,
    s3_encoded(key) AS key,
    coalesce(version_id, '') AS version_id,
    is_latest::VARCHAR AS is_latest,
    is_delete_marker::VARCHAR AS is_delete_marker,
    coalesce(size::VARCHAR, '') AS size,
    strftime(last_modified_date::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%gZ') AS last_modified_date,
    coalesce(e_tag, '') AS e_tag,
    coalesce(storage_class, '') AS storage_class,
    coalesce(is_multipart_uploaded::VARCHAR, '') AS is_multipart_uploaded,
    coalesce(replication_status, '') AS replication_status,
    coalesce(encryption_status, '') AS encryption_status
FROM objects;
