-- The rules of what is a finding, for every engine: `unequal` holds the rows of either side that an engine could not call
-- equal to one of the other. A row of S3's has a key_path and no file_id, a file of the catalog's a file_id and no key_path,
-- and a row may be both, where they have one key. A delete marker says that nothing is in S3 under its key.

-- name: prepare
CREATE TEMPORARY TABLE unequal (
    file_id       int8,
    key_path      text,
    etag          text,
    size_in_bytes int8,
    last_update   timestamptz,
    storage_class text,
    delete_marker bool NOT NULL DEFAULT false
) ON COMMIT DROP;

-- name: settings
-- For this transaction alone: 300 rows of a table tell the planner what it need know of it, which is how many there are and
-- that keys are all different; and to compile statements would take longer than they do.
SELECT set_config('default_statistics_target', '1', true), set_config('jit', 'off', true);

-- name: read_ahead
-- For the two statements below. By bitmaps PostgreSQL takes the pages of a table in their order and reads ahead of itself;
-- by an index one after the other, each when it is needed, which takes several times as long where a disk has to give them.
SELECT set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'off', true);

-- name: files
-- A million ids at a time, so that neither they nor their bitmap take much memory.
CREATE TEMPORARY TABLE unequal_file ON COMMIT DROP AS
SELECT file.*
FROM (
    SELECT array_agg(file_id) AS ids FROM unequal WHERE file_id IS NOT NULL GROUP BY file_id / 1000000
) AS chunk
CROSS JOIN LATERAL (
    SELECT granule_id, name, key_path, cumulus_archive_location, btrim(etag, '"') AS etag, size_in_bytes, storage_class_id
    FROM orca.files WHERE id = ANY (chunk.ids)
) AS file;

-- name: granules
CREATE TEMPORARY TABLE unequal_granule ON COMMIT DROP AS
SELECT granule.*
FROM (
    SELECT array_agg(DISTINCT granule_id) AS ids FROM unequal_file GROUP BY granule_id / 1000000
) AS chunk
CROSS JOIN LATERAL (
    SELECT id, collection_id, cumulus_granule_id, last_update FROM orca.granules WHERE id = ANY (chunk.ids)
) AS granule;

-- name: stop_reading_ahead
SELECT set_config(name, reset_val, true) FROM pg_settings WHERE name IN ('enable_indexscan', 'enable_seqscan');

-- name: analyze
ANALYZE unequal, unequal_file, unequal_granule;

-- name: listed_twice
-- The one look by key. Where an engine knew of no unequal file there may be an equal one: then its object, too, was listed.
-- Not with LIMIT, for which PostgreSQL would begin to read all files in the hope of one soon.
SELECT min(object.key_path)
FROM unequal AS object
WHERE object.key_path IS NOT NULL
  AND NOT EXISTS (SELECT FROM unequal_file AS file WHERE file.key_path = object.key_path)
  AND EXISTS (
      SELECT FROM orca.files WHERE files.orca_archive_location = :archive_location AND files.key_path = object.key_path
  );

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
SELECT :job_id, granule.collection_id, granule.cumulus_granule_id, file.name, file.key_path,
       '"' || file.etag || '"', granule.last_update, file.size_in_bytes, file.storage_class_id
FROM unequal_file AS file
JOIN unequal_granule AS granule ON granule.id = file.granule_id
WHERE NOT EXISTS (SELECT FROM unequal AS object WHERE object.key_path = file.key_path AND NOT object.delete_marker);

-- name: orphans
INSERT INTO orca.reconcile_orphan_report (job_id, key_path, etag, last_update, size_in_bytes, storage_class)
SELECT :job_id, object.key_path, '"' || btrim(object.etag, '"') || '"', object.last_update, object.size_in_bytes,
       object.storage_class
FROM unequal AS object
WHERE object.key_path IS NOT NULL AND NOT object.delete_marker
  AND NOT EXISTS (SELECT FROM unequal_file AS file WHERE file.key_path = object.key_path);

-- name: mismatches
-- A field that the inventory does not carry is not compared.
INSERT INTO orca.reconcile_catalog_mismatch_report (
    job_id, collection_id, granule_id, filename, key_path, cumulus_archive_location, orca_etag, s3_etag, orca_last_update,
    s3_last_update, orca_size_in_bytes, s3_size_in_bytes, orca_storage_class_id, s3_storage_class, discrepancy_type
)
SELECT :job_id, granule.collection_id, granule.cumulus_granule_id, file.name, file.key_path,
       file.cumulus_archive_location, '"' || file.etag || '"', '"' || btrim(object.etag, '"') || '"',
       granule.last_update, object.last_update, file.size_in_bytes, object.size_in_bytes,
       file.storage_class_id, object.storage_class, discrepancy.type
FROM unequal AS object
JOIN unequal_file AS file ON file.key_path = object.key_path
JOIN unequal_granule AS granule ON granule.id = file.granule_id
JOIN orca.storage_class AS class ON class.id = file.storage_class_id
CROSS JOIN LATERAL (
    SELECT concat_ws(
        ', ',
        CASE WHEN 'etag' = ANY (:compared_fields) AND file.etag <> btrim(object.etag, '"')
             THEN 'etag' END,
        CASE WHEN 'size_in_bytes' = ANY (:compared_fields) AND file.size_in_bytes <> object.size_in_bytes
             THEN 'size_in_bytes' END,
        CASE WHEN 'storage_class' = ANY (:compared_fields) AND class.value <> object.storage_class
             THEN 'storage_class' END
    ) AS type
) AS discrepancy
WHERE discrepancy.type <> '' AND NOT object.delete_marker;
