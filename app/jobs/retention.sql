-- name: expired
-- Jobs that nobody has touched for so long, but for the newest success of each archive location, for those with work to do,
-- and for those whose rows are staged: ORCA's partitions refer to their job. And those of whatever age that somebody has begun to
-- delete. All of them, or only one if it is one.
SELECT job.id, job.orca_archive_location, job.inventory_creation_time
FROM orca.reconcile_job AS job
WHERE (CAST(:job_id AS int8) IS NULL OR job.id = :job_id)
  AND NOT EXISTS (
      SELECT FROM orca.reconcile_run AS run WHERE run.job_id = job.id AND run.state IN ('queued', 'running')
  )
  AND (
      (job.status_id = 4 AND job.error_message = :withdrawn)
      OR (
          job.last_update < now() - make_interval(days => :days)
          AND job.id IS DISTINCT FROM (
              SELECT newest.id FROM orca.reconcile_job AS newest
              WHERE newest.orca_archive_location = job.orca_archive_location AND newest.status_id = 5
              ORDER BY newest.inventory_creation_time DESC, newest.id DESC LIMIT 1
          )
          AND job.id IS DISTINCT FROM (
              SELECT staged.job_id FROM orca.reconcile_s3_object AS staged
              WHERE staged.orca_archive_location = job.orca_archive_location LIMIT 1
          )
      )
  )
ORDER BY job.id;
