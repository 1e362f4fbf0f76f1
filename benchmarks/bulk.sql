-- Loads a generated catalog into an empty database as fast as it goes; its rows are in the temporary table `catalog_file`.

-- name: unkey
-- Indexes are built once over all rows, and nobody checks a reference that the generator has made.
ALTER TABLE orca.files
    DROP CONSTRAINT IF EXISTS unique_orca_archive_location_key_path,
    DROP CONSTRAINT IF EXISTS unique_cumulus_archive_location_key_path,
    DROP CONSTRAINT IF EXISTS pk_files;

-- name: settings
SELECT set_config('session_replication_role', 'replica', true), set_config('maintenance_work_mem', '1GB', true),
       set_config('work_mem', '512MB', true);

-- name: analyze
ANALYZE catalog_file;

-- name: providers
INSERT INTO orca.providers (provider_id, name) SELECT DISTINCT provider_id, provider_id FROM catalog_file;

-- name: collections
INSERT INTO orca.collections (collection_id, shortname, version)
SELECT DISTINCT collection_id, split_part(collection_id, '___', 1), split_part(collection_id, '___', 2) FROM catalog_file;

-- name: granules
INSERT INTO orca.granules (
    provider_id, collection_id, cumulus_granule_id, execution_id, ingest_time, cumulus_create_time, last_update
)
SELECT min(provider_id), collection_id, granule_id, '', min(ingest_time), min(ingest_time), max(last_update)
FROM catalog_file GROUP BY collection_id, granule_id;

-- name: files
INSERT INTO orca.files (
    granule_id, name, orca_archive_location, cumulus_archive_location, key_path, ingest_time, etag, version, size_in_bytes,
    storage_class_id
)
SELECT granules.id, row.filename, row.orca_archive_location, row.cumulus_archive_location, row.key_path, row.ingest_time,
       row.etag, '', row.size_in_bytes, class.id
FROM catalog_file AS row
JOIN orca.granules AS granules
  ON granules.collection_id = row.collection_id AND granules.cumulus_granule_id = row.granule_id
JOIN orca.storage_class AS class ON class.value = row.storage_class;

-- name: key
ALTER TABLE orca.files
    ADD CONSTRAINT pk_files PRIMARY KEY (id),
    ADD CONSTRAINT unique_orca_archive_location_key_path UNIQUE (orca_archive_location, key_path),
    ADD CONSTRAINT unique_cumulus_archive_location_key_path UNIQUE (cumulus_archive_location, key_path);

-- name: forget_service
-- Drop all but the catalog, so that the migrations can run again.
DO $$
DECLARE
    named record;
BEGIN
    FOR named IN
        SELECT relname, CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind
        FROM pg_class
        WHERE relnamespace = 'orca'::regnamespace AND relkind IN ('r', 'p', 'v')
          AND relname NOT IN ('files', 'granules', 'collections', 'providers', 'storage_class')
        ORDER BY relkind DESC
    LOOP
        EXECUTE format('DROP %s IF EXISTS orca.%I CASCADE', named.kind, named.relname);
    END LOOP;
    -- All names are read before the first is dropped, since dropping one may take others along.
    FOR named IN
        SELECT unnest(array_agg(oid::regprocedure::text)) AS signature
        FROM pg_proc WHERE pronamespace = 'orca'::regnamespace
    LOOP
        EXECUTE format('DROP FUNCTION IF EXISTS %s CASCADE', named.signature);
    END LOOP;
END
$$;
