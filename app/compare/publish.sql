-- The rules of what is a finding, for every engine: `difference` holds the keys that an engine could not call equal, with
-- the id of the catalog's file (NULL: it has none) and what S3 says (s3_last_update is NULL where S3 has no such key).

-- name: prepare
-- For engines that find differences outside the database: objects that have no equal file.
CREATE TEMPORARY TABLE unequal_object (
    key_path         text NOT NULL,
    s3_etag          text,
    s3_size_in_bytes int8,
    s3_last_update   timestamptz,
    s3_storage_class text
) ON COMMIT DROP;

-- name: prepare_files
-- And files that have no equal object, by their id alone.
CREATE TEMPORARY TABLE unequal_file (file_id int8 NOT NULL) ON COMMIT DROP;

-- name: analyze_objects
-- The planner is told how many rows there are, and of no values, since keys and ETags are all different.
ANALYZE unequal_object (s3_size_in_bytes);

-- name: analyze_files
ANALYZE unequal_file;

-- name: join_by_id
CREATE TEMPORARY TABLE difference ON COMMIT DROP AS
SELECT coalesce(object.key_path, file.key_path) AS key_path, file.id AS file_id,
       object.s3_etag, object.s3_size_in_bytes, object.s3_last_update, object.s3_storage_class
FROM unequal_object AS object
FULL JOIN (
    SELECT files.id, files.key_path FROM unequal_file JOIN orca.files AS files ON files.id = unequal_file.file_id
) AS file ON file.key_path = object.key_path;

-- name: join_by_key
CREATE TEMPORARY TABLE difference ON COMMIT DROP AS
SELECT object.key_path, files.id AS file_id,
       object.s3_etag, object.s3_size_in_bytes, object.s3_last_update, object.s3_storage_class
FROM unequal_object AS object
LEFT JOIN orca.files AS files
  ON files.orca_archive_location = :archive_location AND files.key_path = object.key_path;

-- name: analyze
ANALYZE difference (file_id, s3_last_update);

-- name: clear_phantoms
DELETE FROM orca.reconcile_phantom_report WHERE job_id = :job_id;

-- name: clear_orphans
DELETE FROM orca.reconcile_orphan_report WHERE job_id = :job_id;

-- name: clear_mismatches
DELETE FROM orca.reconcile_catalog_mismatch_report WHERE job_id = :job_id;

-- name: phantoms
INSERT INTO orca.reconcile_phantom_report (
    job_id, collection_id, granule_id, filename, key_path, orca_etag, orca_last_update, orca_size, orca_storage_class_id
)
SELECT :job_id, granules.collection_id, granules.cumulus_granule_id, files.name, files.key_path,
       '"' || btrim(files.etag, '"') || '"', granules.last_update, files.size_in_bytes, files.storage_class_id
FROM difference
JOIN orca.files AS files ON files.id = difference.file_id
JOIN orca.granules AS granules ON granules.id = files.granule_id
WHERE difference.s3_last_update IS NULL;

-- name: orphans
-- The one look by key: where an engine knew of no unequal file, there may be an equal one, and the key is then listed twice.
INSERT INTO orca.reconcile_orphan_report (job_id, key_path, etag, last_update, size_in_bytes, storage_class)
SELECT :job_id, difference.key_path, '"' || btrim(difference.s3_etag, '"') || '"', difference.s3_last_update,
       difference.s3_size_in_bytes, difference.s3_storage_class
FROM difference
WHERE difference.file_id IS NULL
  AND NOT EXISTS (
      SELECT FROM orca.files AS files
      WHERE files.orca_archive_location = :archive_location AND files.key_path = difference.key_path
  );

-- name: mismatches
-- A field that the inventory does not carry is not compared.
INSERT INTO orca.reconcile_catalog_mismatch_report (
    job_id, collection_id, granule_id, filename, key_path, cumulus_archive_location, orca_etag, s3_etag, orca_last_update,
    s3_last_update, orca_size_in_bytes, s3_size_in_bytes, orca_storage_class_id, s3_storage_class, discrepancy_type
)
SELECT :job_id, granules.collection_id, granules.cumulus_granule_id, files.name, files.key_path,
       files.cumulus_archive_location, '"' || btrim(files.etag, '"') || '"', '"' || btrim(difference.s3_etag, '"') || '"',
       granules.last_update, difference.s3_last_update, files.size_in_bytes, difference.s3_size_in_bytes,
       files.storage_class_id, difference.s3_storage_class, discrepancy.type
FROM difference
JOIN orca.files AS files ON files.id = difference.file_id
JOIN orca.granules AS granules ON granules.id = files.granule_id
JOIN orca.storage_class AS class ON class.id = files.storage_class_id
CROSS JOIN LATERAL (
    SELECT concat_ws(
        ', ',
        CASE WHEN 'etag' = ANY (:compared_fields) AND btrim(files.etag, '"') <> btrim(difference.s3_etag, '"')
             THEN 'etag' END,
        CASE WHEN 'size_in_bytes' = ANY (:compared_fields) AND files.size_in_bytes <> difference.s3_size_in_bytes
             THEN 'size_in_bytes' END,
        CASE WHEN 'storage_class' = ANY (:compared_fields) AND class.value <> difference.s3_storage_class
             THEN 'storage_class' END
    ) AS type
) AS discrepancy
WHERE difference.s3_last_update IS NOT NULL AND discrepancy.type <> '';
