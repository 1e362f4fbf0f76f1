-- name: manifests
-- The manifests of one store that the service has taken in, and when their inventories were made.
SELECT manifest.manifest_url, job.inventory_creation_time
FROM orca.reconcile_manifest AS manifest
JOIN orca.reconcile_job AS job ON job.id = manifest.job_id
WHERE starts_with(manifest.manifest_url, :store);

-- name: newest_inventories
-- The newest inventory of each archive location, whoever took it in.
SELECT orca_archive_location, max(inventory_creation_time) AS newest FROM orca.reconcile_job GROUP BY orca_archive_location;
