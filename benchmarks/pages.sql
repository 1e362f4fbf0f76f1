-- A job with a report of many findings, and ways to look into it.

-- name: job
SELECT job_id FROM orca.reconcile_report WHERE mismatches = :findings LIMIT 1;

-- name: new_job
INSERT INTO orca.reconcile_job (
    orca_archive_location, status_id, inventory_creation_time, start_time, last_update, end_time
) VALUES ('orca-benchmark', 5, now(), now(), now(), now()) RETURNING id;

-- name: findings
INSERT INTO orca.reconcile_catalog_mismatch_report (
    job_id, collection_id, granule_id, filename, key_path, cumulus_archive_location, orca_etag, s3_etag, orca_last_update,
    s3_last_update, orca_size_in_bytes, s3_size_in_bytes, orca_storage_class_id, s3_storage_class, discrepancy_type
)
SELECT :job_id, format('MOD%sGQ___061', n % 40 + 10), granule, granule || '.hdf',
       format('MOD%sGQ___061/%s/%s.hdf', n % 40 + 10, granule, granule), 'cumulus-protected', '"' || md5(n::text) || '"',
       '"' || md5(granule) || '"', now() - interval '300 days', now() - interval '200 days', n * 1000, n * 1001, 1, 'GLACIER',
       'etag, size_in_bytes'
FROM generate_series(1, CAST(:findings AS int8)) AS n
CROSS JOIN LATERAL (SELECT format('MOD%sGQ.A2017%s.h%sv10.061.%s', n % 40 + 10, n % 365, n % 36, 100000000 + n)) AS g(granule);

-- name: analyze
VACUUM ANALYZE orca.reconcile_catalog_mismatch_report;

-- name: key_at
-- The key of the finding at a place, to make the cursor of the page that follows it.
SELECT collection_id, granule_id, key_path FROM orca.reconcile_catalog_mismatch_report
WHERE job_id = :job_id ORDER BY collection_id, granule_id, key_path OFFSET :place LIMIT 1;

-- name: offset_page
-- A page as ORCA's API reads it.
SELECT finding.*, class.value AS orca_storage_class
FROM orca.reconcile_catalog_mismatch_report AS finding
JOIN orca.storage_class AS class ON class.id = finding.orca_storage_class_id
WHERE job_id = :job_id ORDER BY collection_id, granule_id, key_path OFFSET :place LIMIT 101;
