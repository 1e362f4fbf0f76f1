-- What clients of ORCA's own API ask for: pages by their number, and totals counted where none are stored.

-- name: jobs
SELECT job.id, job.orca_archive_location, status.value AS status, job.inventory_creation_time, job.last_update,
       job.error_message,
       coalesce(report.orphans, (SELECT count(*) FROM orca.reconcile_orphan_report WHERE job_id = job.id)) AS orphans,
       coalesce(report.phantoms, (SELECT count(*) FROM orca.reconcile_phantom_report WHERE job_id = job.id)) AS phantoms,
       coalesce(
           report.mismatches, (SELECT count(*) FROM orca.reconcile_catalog_mismatch_report WHERE job_id = job.id)
       ) AS mismatches
FROM orca.reconcile_job AS job
JOIN orca.reconcile_status AS status ON status.id = job.status_id
LEFT JOIN orca.reconcile_report AS report ON report.job_id = job.id
ORDER BY job.inventory_creation_time DESC, job.id DESC
OFFSET CAST(:skip AS int8) LIMIT :limit;

-- name: phantoms
-- The last key of the page before: found in the index alone, and the page itself then starts right behind it.
SELECT collection_id, granule_id, key_path FROM orca.reconcile_phantom_report WHERE job_id = :job_id
ORDER BY collection_id, granule_id, key_path OFFSET CAST(:skip AS int8) LIMIT 1;

-- name: orphans
SELECT key_path FROM orca.reconcile_orphan_report WHERE job_id = :job_id
ORDER BY key_path OFFSET CAST(:skip AS int8) LIMIT 1;

-- name: mismatches
SELECT collection_id, granule_id, key_path FROM orca.reconcile_catalog_mismatch_report WHERE job_id = :job_id
ORDER BY collection_id, granule_id, key_path OFFSET CAST(:skip AS int8) LIMIT 1;
