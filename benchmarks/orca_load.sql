-- ORCA's way to take an inventory in, written anew from its description: all columns of the CSV into a temporary table, and
-- from there into the archive location's keyed partition. psql's variables: job.

CREATE TEMPORARY TABLE s3_import (
    bucket text, key_path text, version_id text, is_latest bool, delete_marker bool, size_in_bytes int8,
    last_update timestamptz, etag text, storage_class text, is_multipart_uploaded text, replication_status text,
    encryption_status text
);

:copies

INSERT INTO orca.reconcile_s3_object (
    job_id, orca_archive_location, key_path, etag, last_update, size_in_bytes, storage_class, delete_marker
)
SELECT :job, bucket, key_path, '"' || etag || '"', last_update, coalesce(size_in_bytes, 0), storage_class, delete_marker
FROM s3_import
WHERE is_latest AND NOT delete_marker;
