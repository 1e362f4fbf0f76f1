-- name: history
-- The job and those of its archive location that were published with earlier inventories, newest first. A job that ORCA itself
-- reported has the status success and no row of ours.
SELECT past.id AS job_id, past.inventory_creation_time, report.published_at, report.compared_fields,
       report.phantoms, report.orphans, report.mismatches
FROM orca.reconcile_job AS job
JOIN orca.reconcile_job AS past
  ON past.orca_archive_location = job.orca_archive_location
 AND (past.inventory_creation_time, past.id) <= (job.inventory_creation_time, job.id)
LEFT JOIN orca.reconcile_report AS report ON report.job_id = past.id
WHERE job.id = :job_id AND (report.job_id IS NOT NULL OR past.status_id = 5)
ORDER BY past.inventory_creation_time DESC, past.id DESC;

-- name: job
-- What tells why a job cannot be compared.
SELECT orca_archive_location, inventory_creation_time FROM orca.reconcile_job WHERE id = :job_id;
