-- name: bucket
SELECT orca_archive_location FROM orca.reconcile_job WHERE id = :job_id;
