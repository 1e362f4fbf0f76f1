-- The rows of the file are in the temporary table `catalog_file`, which outlives a transaction that is rolled back.

-- name: settings
SET LOCAL work_mem = '128MB';

-- name: analyze
ANALYZE catalog_file;

-- name: incomplete
-- A row with a value that is missing, whichever: most would be refused below, but one without a storage class would be left out.
SELECT EXISTS (SELECT FROM catalog_file WHERE NOT (catalog_file IS NOT NULL));

-- name: unknown_storage_class
SELECT DISTINCT storage_class FROM catalog_file
WHERE storage_class NOT IN (SELECT value FROM orca.storage_class) ORDER BY storage_class LIMIT 1;

-- name: key_twice
SELECT orca_archive_location, key_path FROM catalog_file
GROUP BY orca_archive_location, key_path HAVING count(*) > 1 ORDER BY orca_archive_location, key_path LIMIT 1;

-- name: two_locations
-- A key of a Cumulus bucket is in the catalog once, whatever the archive location: that is ORCA's rule.
SELECT cumulus_archive_location, key_path, min(orca_archive_location), max(orca_archive_location) FROM catalog_file
GROUP BY cumulus_archive_location, key_path HAVING count(*) > 1
UNION ALL
SELECT row.cumulus_archive_location, row.key_path, files.orca_archive_location, row.orca_archive_location
FROM catalog_file AS row
JOIN orca.files AS files
  ON files.cumulus_archive_location = row.cumulus_archive_location AND files.key_path = row.key_path
 AND files.orca_archive_location <> row.orca_archive_location
LIMIT 1;

-- name: providers
INSERT INTO orca.providers (provider_id, name)
SELECT DISTINCT provider_id, provider_id FROM catalog_file ORDER BY provider_id
ON CONFLICT (provider_id) DO NOTHING;

-- name: collections
-- Cumulus writes a collection's id as shortname___version.
INSERT INTO orca.collections (collection_id, shortname, version)
SELECT DISTINCT collection_id, split_part(collection_id, '___', 1), split_part(collection_id, '___', 2)
FROM catalog_file ORDER BY collection_id
ON CONFLICT (collection_id) DO NOTHING;

-- name: granules
-- A granule was updated when the last of its files was.
INSERT INTO orca.granules (
    provider_id, collection_id, cumulus_granule_id, execution_id, ingest_time, cumulus_create_time, last_update
)
SELECT min(provider_id), collection_id, granule_id, '', min(ingest_time), min(ingest_time), max(last_update)
FROM catalog_file
GROUP BY collection_id, granule_id
ON CONFLICT (collection_id, cumulus_granule_id) DO UPDATE
SET last_update = greatest(granules.last_update, excluded.last_update);

-- name: files
-- In the order of the two unique indexes, whose pages are then written one after the other.
INSERT INTO orca.files (
    granule_id, name, orca_archive_location, cumulus_archive_location, key_path, ingest_time, etag, version, size_in_bytes,
    storage_class_id
)
SELECT granules.id, row.filename, row.orca_archive_location, row.cumulus_archive_location, row.key_path, row.ingest_time,
       row.etag, '', row.size_in_bytes, class.id
FROM catalog_file AS row
JOIN orca.granules AS granules
  ON granules.collection_id = row.collection_id AND granules.cumulus_granule_id = row.granule_id
JOIN orca.storage_class AS class ON class.value = row.storage_class
ORDER BY row.orca_archive_location, row.key_path
ON CONFLICT (orca_archive_location, key_path) DO UPDATE
SET granule_id = excluded.granule_id, name = excluded.name, cumulus_archive_location = excluded.cumulus_archive_location,
    ingest_time = excluded.ingest_time, etag = excluded.etag, size_in_bytes = excluded.size_in_bytes,
    storage_class_id = excluded.storage_class_id;

-- name: statistics
-- Whoever reconciles next asks the planner how many files an archive location has. Who does not own the tables is only warned.
ANALYZE orca.granules, orca.files;
