-- name: wanted
-- Of which runs and manifests something may lie in a spool: those that are queued or running.
SELECT run.id, manifest.manifest_md5
FROM orca.reconcile_run AS run
LEFT JOIN orca.reconcile_manifest AS manifest ON manifest.job_id = run.job_id
WHERE run.state IN ('queued', 'running');
