-- name: earlier
-- What the newest earlier success of the archive location counted, and the newest inventory that was ever reconciled.
SELECT (
    SELECT report.inventory_objects
    FROM orca.reconcile_job AS job JOIN orca.reconcile_report AS report ON report.job_id = job.id
    WHERE job.orca_archive_location = :archive_location AND job.id <> :job_id AND job.status_id = 5
      AND job.inventory_creation_time < :created AND report.inventory_objects IS NOT NULL
    ORDER BY job.inventory_creation_time DESC, job.id DESC LIMIT 1
) AS objects, (
    SELECT max(job.inventory_creation_time)
    FROM orca.reconcile_job AS job
    WHERE job.orca_archive_location = :archive_location AND job.id <> :job_id AND job.status_id = 5
) AS newest;

-- name: encoded_orphans
SELECT key_path FROM orca.reconcile_orphan_report WHERE job_id = :job_id AND key_path ~ '[+% ]' LIMIT :most;

-- name: phantoms_among
SELECT key_path FROM orca.reconcile_phantom_report WHERE job_id = :job_id AND key_path = ANY (:keys) ORDER BY key_path;
