-- The rules of what is a finding, for every engine: `difference` holds the keys that an engine could not call equal, with
-- what S3 says of them (s3_last_update is NULL where S3 has no such key).

-- name: prepare
CREATE TEMPORARY TABLE difference (
    key_path         text NOT NULL,
    s3_etag          text,
    s3_size_in_bytes int8,
    s3_last_update   timestamptz,
    s3_storage_class text
) ON COMMIT DROP;

-- name: prepare_files
-- For engines that know files of the catalog by their id alone.
CREATE TEMPORARY TABLE unequal_file (file_id int8 NOT NULL) ON COMMIT DROP;

-- name: add_files
-- A file that has no equal object is in `difference` already where S3 has another object under its key.
INSERT INTO difference (key_path)
SELECT files.key_path
FROM unequal_file
JOIN orca.files AS files ON files.id = unequal_file.file_id
WHERE NOT EXISTS (SELECT FROM difference WHERE difference.key_path = files.key_path);

-- name: analyze
ANALYZE difference;

-- name: analyze_files
ANALYZE unequal_file;

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
JOIN orca.files AS files ON files.orca_archive_location = :archive_location AND files.key_path = difference.key_path
JOIN orca.granules AS granules ON granules.id = files.granule_id
WHERE difference.s3_last_update IS NULL;

-- name: orphans
INSERT INTO orca.reconcile_orphan_report (job_id, key_path, etag, last_update, size_in_bytes, storage_class)
SELECT :job_id, difference.key_path, '"' || btrim(difference.s3_etag, '"') || '"', difference.s3_last_update,
       difference.s3_size_in_bytes, difference.s3_storage_class
FROM difference
WHERE difference.s3_last_update IS NOT NULL
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
JOIN orca.files AS files ON files.orca_archive_location = :archive_location AND files.key_path = difference.key_path
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
