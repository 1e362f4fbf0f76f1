-- name: summary
-- A job's stored totals and roll-ups, all of one moment. No row: no such job; published_at NULL: nothing stored yet. A prefix
-- is kept for the depths 1 to 3; the other dimensions have the depth 0.
SELECT job.id AS job_id, job.orca_archive_location, job.inventory_creation_time, job.status_id = 5 AS succeeded,
       coalesce(job.end_time, job.last_update) AS ended_at, report.*,
       (
           SELECT json_agg(json_build_array(dimension, value, kind, findings, pending, bytes))
           FROM orca.reconcile_report_part AS part
           WHERE part.job_id = job.id AND part.depth IN (0, :depth)
       ) AS parts
FROM orca.reconcile_job AS job
LEFT JOIN LATERAL (
    SELECT published_at, engine, pending_from, inventory_objects, catalog_files, compared_fields, warnings,
           phantoms, orphans, mismatches, phantoms_pending, orphans_pending, mismatches_pending,
           phantom_bytes, orphan_bytes, mismatch_bytes
    FROM orca.reconcile_report WHERE reconcile_report.job_id = job.id
) AS report ON true
WHERE job.id = :job_id;

-- name: not_summed_up
-- Successes that have no row of ours: ORCA itself reported them.
SELECT job.id
FROM orca.reconcile_job AS job
WHERE job.status_id = 5 AND NOT EXISTS (SELECT FROM orca.reconcile_report AS report WHERE report.job_id = job.id)
ORDER BY job.inventory_creation_time DESC, job.id DESC;
