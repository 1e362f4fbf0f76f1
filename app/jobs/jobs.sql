-- name: jobs_by_id
SELECT job.*, (SELECT published_at FROM orca.reconcile_report AS report WHERE report.job_id = job.id)
FROM orca.reconcile_job_overview AS job WHERE id = ANY(CAST(:job_ids AS int8[]));

-- name: jobs
-- Newest inventory first; the last row of the page before says where to go on.
SELECT job.*, (SELECT published_at FROM orca.reconcile_report AS report WHERE report.job_id = job.id)
FROM orca.reconcile_job_overview AS job
WHERE (CAST(:status AS text) IS NULL OR status = :status)
  AND (CAST(:archive_location AS text) IS NULL OR orca_archive_location = :archive_location)
  AND (CAST(:after_id AS int8) IS NULL OR (inventory_creation_time, id) < (CAST(:after_time AS timestamptz), :after_id))
ORDER BY inventory_creation_time DESC, id DESC
LIMIT :limit;

-- name: lock_job
SELECT id FROM orca.reconcile_job WHERE id = :job_id FOR NO KEY UPDATE;

-- name: locked_job
-- What decides whether and how a job may be run.
SELECT job.orca_archive_location, job.status_id, job.error_message,
       manifest.manifest_url IS NOT NULL AS has_manifest, manifest.size_in_bytes, manifest.inventory_objects,
       manifest.staged_at IS NOT NULL AS was_staged
FROM orca.reconcile_job AS job
LEFT JOIN orca.reconcile_manifest AS manifest ON manifest.job_id = job.id
WHERE job.id = :job_id;

-- name: lock_manifest
-- One caller at a time decides who has a manifest.
SELECT pg_advisory_xact_lock(hashtextextended('orca-reconcile manifest ' || :manifest_url, 0));

-- name: job_of_manifest
SELECT job_id FROM orca.reconcile_manifest WHERE manifest_url = :manifest_url AND manifest_md5 = :manifest_md5;

-- name: insert_job
INSERT INTO orca.reconcile_job (orca_archive_location, status_id, inventory_creation_time, start_time, last_update)
VALUES (:archive_location, 1, :inventory_creation_time, now(), now())
RETURNING id;

-- name: insert_manifest
INSERT INTO orca.reconcile_manifest (job_id, manifest_url, manifest_md5, size_in_bytes, compared_fields)
VALUES (:job_id, :manifest_url, :manifest_md5, :size_in_bytes, :compared_fields);

-- name: live_run
SELECT id, state, reconcile, cancel_requested
FROM orca.reconcile_run WHERE job_id = :job_id AND state IN ('queued', 'running') FOR UPDATE;

-- name: insert_run
INSERT INTO orca.reconcile_run (job_id, orca_archive_location, engine, reconcile, take_in, force, requested_by, request_id)
VALUES (:job_id, :archive_location, :engine, :reconcile, :take_in, :force, :requested_by, :request_id);

-- name: reconcile_when_staged
UPDATE orca.reconcile_run SET reconcile = true WHERE id = :run_id;

-- name: set_job_status
-- The moment's time: now() is when the transaction began, and the one that publishes began before the comparison.
UPDATE orca.reconcile_job
SET status_id = CAST(:status_id AS int2), error_message = :error_message,
    (last_update, end_time) = (
        SELECT moment, CASE WHEN CAST(:status_id AS int2) IN (4, 5) THEN moment END FROM clock_timestamp() AS moment
    )
WHERE id = :job_id;

-- name: staged_sample
-- One staged row of an archive location; a load replaces them all, so that one tells whose they are.
SELECT job_id FROM orca.reconcile_s3_object WHERE orca_archive_location = :archive_location LIMIT 1;

-- name: has_partition
SELECT orca.reconcile_partition_of(:archive_location) IS NOT NULL;

-- name: staged_after
-- Whether another job of the archive location was staged later, which may have left it empty. ORCA's own empty it before they load,
-- so that they have done so while they say that they are staging, and when they have failed.
SELECT EXISTS (
    SELECT FROM orca.reconcile_job AS other
    LEFT JOIN orca.reconcile_manifest AS manifest ON manifest.job_id = other.id
    WHERE other.orca_archive_location = :archive_location AND other.id > :job_id
      AND (manifest.job_id IS NULL OR manifest.staged_at IS NOT NULL)
);

-- name: cancel_queued
UPDATE orca.reconcile_run SET state = 'cancelled', ended_at = now(), error_message = 'cancelled' WHERE id = :run_id;

-- name: ask_to_cancel
UPDATE orca.reconcile_run SET cancel_requested = true WHERE id = :run_id;

-- name: wake
-- Runners listen, and look for themselves every few seconds in case they did not hear.
SELECT pg_notify('reconcile_run', :about);
