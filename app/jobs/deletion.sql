-- name: withdraw
-- Take the reports of a job away at once, so that nobody reads a part of them while their rows are being deleted, and nobody
-- takes what is left of its staged rows for all of them.
WITH report AS (
    DELETE FROM orca.reconcile_report WHERE job_id = :job_id
), manifest AS (
    UPDATE orca.reconcile_manifest SET staged_at = NULL WHERE job_id = :job_id
)
UPDATE orca.reconcile_job SET status_id = 4, error_message = :withdrawn, end_time = now() WHERE id = :job_id;

-- name: hold
-- Hold a job, and tell whether it is still withdrawn; no row when it is gone. Whoever has it run writes another status first,
-- under the same lock.
SELECT (status_id, error_message) IS NOT DISTINCT FROM (4, :withdrawn)
FROM orca.reconcile_job WHERE id = :job_id
FOR NO KEY UPDATE;

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

-- name: some_staged
-- Rows that are still staged refer to their job where ORCA made the partition. A load replaces all rows of its archive
-- location, so that one of them tells whether there are any of this job's, and nobody looks through those of another.
DELETE FROM orca.reconcile_s3_object WHERE orca_archive_location = :archive_location AND ctid = ANY (
    ARRAY(
        SELECT ctid FROM orca.reconcile_s3_object
        WHERE orca_archive_location = :archive_location AND job_id = :job_id
          AND :job_id = (
              SELECT job_id FROM orca.reconcile_s3_object WHERE orca_archive_location = :archive_location LIMIT 1
          )
        LIMIT :rows
    )
);

-- name: job
DELETE FROM orca.reconcile_job WHERE id = :job_id;
