-- name: manifests
-- Of which manifests the runs are that somebody has asked for lately, for a runner to see which it may read.
SELECT run.id, manifest.manifest_url
FROM orca.reconcile_run AS run
JOIN orca.reconcile_manifest AS manifest ON manifest.job_id = run.job_id
WHERE run.state IN ('queued', 'running') AND run.take_in AND run.queued_at > now() - CAST(:lately AS interval);

-- name: claim
-- Take the oldest run that may start, or one whose runner is gone: it says `running`, and nobody holds its lock.
-- The lock belongs to this session, so it goes with the connection, whatever happens to this process.
WITH candidate AS (
    SELECT run.id
    FROM orca.reconcile_run AS run
    JOIN orca.reconcile_job AS job ON job.id = run.job_id
    -- One that has come since the runner looked at the manifests is for its next look.
    WHERE (
            NOT run.take_in OR run.queued_at <= now() - CAST(:lately AS interval)
            OR run.id = ANY (CAST(:readable AS int8[])) OR CAST(:readable AS int8[]) IS NULL
        )
        AND (
            run.state = 'running'
            OR (
                run.state = 'queued' AND run.not_before <= now()
                -- A job that another program is still staging waits until it says `staged`.
                AND (run.take_in OR job.status_id <> 1)
                AND NOT EXISTS (
                    SELECT FROM orca.reconcile_run AS other
                    WHERE other.state = 'running' AND other.orca_archive_location = run.orca_archive_location
                )
            )
        )
        -- Whoever hands a run back holds its lock a little longer.
        AND NOT EXISTS (
            SELECT FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND classid = 1330791233 AND objid = run.id AND objsubid = 2
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        )
    ORDER BY run.id
    FOR UPDATE OF run SKIP LOCKED
    LIMIT 1
)
UPDATE orca.reconcile_run AS run
SET state = 'running', attempt = run.attempt + 1, started_at = now(),
    failures = run.failures + CASE WHEN run.state = 'running' THEN 1 ELSE 0 END
FROM candidate, orca.reconcile_job AS job
LEFT JOIN orca.reconcile_manifest AS manifest ON manifest.job_id = job.id
WHERE run.id = candidate.id AND job.id = run.job_id
RETURNING run.id, run.job_id, run.orca_archive_location, job.inventory_creation_time, run.engine, run.reconcile, run.take_in,
          run.force, run.attempt, run.failures, run.error_message AS last_error,
          manifest.manifest_url, manifest.manifest_md5, manifest.compared_fields,
          manifest.inventory_objects AS staged_objects,
          pg_try_advisory_lock(1330791233, CAST(run.id AS int4)) AS leased;

-- name: release
-- And tell the others, who may wait for this archive location, or for the run that was handed back.
SELECT pg_advisory_unlock_all(), pg_notify('reconcile_run', 'free');

-- name: save_progress
INSERT INTO orca.reconcile_progress (run_id, phase, done, total, unit) VALUES (:run_id, :phase, :done, :total, :unit)
ON CONFLICT (run_id) DO UPDATE SET phase = :phase, done = :done, total = :total, unit = :unit;

-- name: cancel_requested
-- Whether somebody asked to cancel this attempt; no row when the run is no longer this attempt's.
SELECT cancel_requested FROM orca.reconcile_run WHERE id = :run_id AND state = 'running' AND attempt = :attempt;

-- name: has_staged
-- Whether this attempt has made its rows the partition already, and did not hear of it.
SELECT manifest.staged_at >= run.started_at
FROM orca.reconcile_run AS run JOIN orca.reconcile_manifest AS manifest USING (job_id)
WHERE run.id = :run_id AND run.attempt = :attempt;

-- name: mark_staged
UPDATE orca.reconcile_manifest SET staged_at = clock_timestamp(), inventory_objects = :inventory_objects WHERE job_id = :job_id;

-- name: still_ours
-- Hold the run's row until the transaction ends; no row when another runner has taken the run over.
SELECT reconcile FROM orca.reconcile_run WHERE id = :run_id AND state = 'running' AND attempt = :attempt FOR UPDATE;

-- name: finish
-- End this attempt, and only this one: a runner that was given up for dead changes nothing.
UPDATE orca.reconcile_run SET state = CAST(:state AS text), ended_at = clock_timestamp(), error_message = :error_message
WHERE id = :run_id AND state = 'running' AND attempt = :attempt AND (CAST(:state AS text) <> 'succeeded' OR NOT cancel_requested)
RETURNING id;

-- name: hand_back
-- Give the run back to the queue, to be tried again by anyone after a while.
UPDATE orca.reconcile_run
SET state = 'queued', not_before = now() + make_interval(secs => :delay), failures = failures + :failures,
    error_message = :error_message
WHERE id = :run_id AND state = 'running' AND attempt = :attempt
RETURNING id;
