-- ORCA's way to reconcile, written anew from its description: a join for each report, in one transaction.
-- psql's variables: job, work_mem.

BEGIN;
SET LOCAL work_mem = :'work_mem';

INSERT INTO orca.reconcile_phantom_report (
    job_id, collection_id, granule_id, filename, key_path, orca_etag, orca_last_update, orca_size, orca_storage_class_id
)
SELECT :job, granules.collection_id, granules.cumulus_granule_id, files.name, files.key_path, files.etag,
       granules.last_update, files.size_in_bytes, files.storage_class_id
FROM orca.files AS files
JOIN orca.granules AS granules ON granules.id = files.granule_id
LEFT JOIN orca.reconcile_s3_object AS s3
  ON s3.orca_archive_location = files.orca_archive_location AND s3.key_path = files.key_path
WHERE files.orca_archive_location = 'orca-archive' AND s3.key_path IS NULL;

INSERT INTO orca.reconcile_orphan_report (job_id, key_path, etag, last_update, size_in_bytes, storage_class)
SELECT :job, s3.key_path, s3.etag, s3.last_update, s3.size_in_bytes, s3.storage_class
FROM orca.reconcile_s3_object AS s3
LEFT JOIN orca.files AS files
  ON files.orca_archive_location = s3.orca_archive_location AND files.key_path = s3.key_path
WHERE s3.orca_archive_location = 'orca-archive' AND files.key_path IS NULL;

INSERT INTO orca.reconcile_catalog_mismatch_report (
    job_id, collection_id, granule_id, filename, key_path, cumulus_archive_location, orca_etag, s3_etag, orca_last_update,
    s3_last_update, orca_size_in_bytes, s3_size_in_bytes, orca_storage_class_id, s3_storage_class, discrepancy_type
)
SELECT :job, granules.collection_id, granules.cumulus_granule_id, files.name, files.key_path,
       files.cumulus_archive_location, files.etag, s3.etag, granules.last_update, s3.last_update, files.size_in_bytes,
       s3.size_in_bytes, files.storage_class_id, s3.storage_class,
       concat_ws(
           ', ',
           CASE WHEN files.etag <> s3.etag THEN 'etag' END,
           CASE WHEN files.size_in_bytes <> s3.size_in_bytes THEN 'size_in_bytes' END,
           CASE WHEN class.value <> s3.storage_class THEN 'storage_class' END
       )
FROM orca.files AS files
JOIN orca.granules AS granules ON granules.id = files.granule_id
JOIN orca.storage_class AS class ON class.id = files.storage_class_id
JOIN orca.reconcile_s3_object AS s3
  ON s3.orca_archive_location = files.orca_archive_location AND s3.key_path = files.key_path
WHERE files.orca_archive_location = 'orca-archive'
  AND (files.etag <> s3.etag OR files.size_in_bytes <> s3.size_in_bytes OR class.value <> s3.storage_class);

COMMIT;
