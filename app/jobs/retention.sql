-- name: only_one
-- One replica at a time; the lock goes with the connection.
SELECT pg_try_advisory_lock(hashtextextended('orca-reconcile purge', 0));

-- name: release
SELECT pg_advisory_unlock(hashtextextended('orca-reconcile purge', 0));

-- name: expired
-- Jobs that nobody has touched for so long, but for the newest success of each archive location, for those with work to do,
-- and for those whose rows are staged: ORCA's partitions refer to their job.
SELECT job.id, job.orca_archive_location, job.inventory_creation_time
FROM orca.reconcile_job AS job
WHERE job.last_update < now() - make_interval(days => :days)
  AND NOT EXISTS (
      SELECT FROM orca.reconcile_run AS run WHERE run.job_id = job.id AND run.state IN ('queued', 'running')
  )
  AND job.id IS DISTINCT FROM (
      SELECT newest.id FROM orca.reconcile_job AS newest
      WHERE newest.orca_archive_location = job.orca_archive_location AND newest.status_id = 5
      ORDER BY newest.inventory_creation_time DESC, newest.id DESC LIMIT 1
  )
  AND job.id IS DISTINCT FROM (
      SELECT staged.job_id FROM orca.reconcile_s3_object AS staged
      WHERE staged.orca_archive_location = job.orca_archive_location LIMIT 1
  )
ORDER BY job.id;

-- name: withdraw
-- Take the reports of a job away at once, so that nobody reads a part of them while they are being deleted.
WITH job AS (
    UPDATE orca.reconcile_job SET status_id = 4, error_message = 'purged', end_time = now()
    WHERE id = :job_id
      AND NOT EXISTS (SELECT FROM orca.reconcile_run WHERE job_id = :job_id AND state IN ('queued', 'running'))
    RETURNING id
), report AS (
    DELETE FROM orca.reconcile_report WHERE job_id = :job_id
)
SELECT id FROM job;

-- name: some_phantoms
DELETE FROM orca.reconcile_phantom_report WHERE ctid = ANY (
    ARRAY(SELECT ctid FROM orca.reconcile_phantom_report WHERE job_id = :job_id LIMIT :rows)
);

-- name: some_orphans
DELETE FROM orca.reconcile_orphan_report WHERE ctid = ANY (
    ARRAY(SELECT ctid FROM orca.reconcile_orphan_report WHERE job_id = :job_id LIMIT :rows)
);

-- name: some_mismatches
DELETE FROM orca.reconcile_catalog_mismatch_report WHERE ctid = ANY (
    ARRAY(SELECT ctid FROM orca.reconcile_catalog_mismatch_report WHERE job_id = :job_id LIMIT :rows)
);

-- name: job
DELETE FROM orca.reconcile_job WHERE id = :job_id;
