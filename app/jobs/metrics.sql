-- name: runs
SELECT state, engine, count(*) AS runs FROM orca.reconcile_run GROUP BY state, engine;

-- name: newest_successes
-- The newest success of each archive location.
SELECT DISTINCT ON (job.orca_archive_location)
       job.orca_archive_location, extract(epoch FROM now() - job.end_time) AS age,
       extract(epoch FROM now() - job.inventory_creation_time) AS inventory_age,
       report.phantoms, report.orphans, report.mismatches
FROM orca.reconcile_job AS job
JOIN orca.reconcile_report AS report ON report.job_id = job.id
WHERE job.status_id = 5
ORDER BY job.orca_archive_location, job.inventory_creation_time DESC, job.id DESC;
