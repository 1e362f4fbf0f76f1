"""What PostgreSQL is asked of the work of others: who waits for a table or a row, who is there, and what they left behind."""

from __future__ import annotations

TEST = "a test"  # the sessions of the tests themselves, by their application_name

WAITING = """
    SELECT count(*) FROM pg_locks AS lock JOIN pg_class AS held ON held.oid = lock.relation
    WHERE NOT lock.granted AND held.oid = CAST(:table AS regclass)
      AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
WAITING_FOR_A_ROW = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted AND pid IN (
        SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    )
"""
# Tests that run side by side share the server, and tables of cloned databases their numbers.
HERE = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
OTHERS = f"""
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> '{TEST}'
"""
LEFT_BEHIND = f"""
    SELECT coalesce(string_agg(what, ', '), '') FROM (
        SELECT 'table ' || relname FROM pg_class WHERE relname LIKE 'reconcile_load%' AND relkind = 'r'
        UNION ALL SELECT 'temporary table ' || relname FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'
        UNION ALL SELECT 'detached table ' || relname FROM pg_class
        WHERE relname LIKE 'reconcile_s3_object_%' AND relkind = 'r' AND NOT relispartition
        UNION ALL SELECT 'advisory lock' FROM pg_locks WHERE locktype = 'advisory' AND {HERE}
        UNION ALL SELECT 'lock on ' || locks.relation::regclass FROM pg_locks AS locks
        JOIN pg_stat_activity AS holder USING (pid) WHERE {HERE} AND locktype = 'relation' AND application_name <> '{TEST}'
        AND backend_type <> 'autovacuum worker'
        UNION ALL SELECT state || ' run' FROM orca.reconcile_run WHERE state IN ('queued', 'running')
        UNION ALL SELECT 'connection ' || state || ' of ' || application_name FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> '{TEST}'
        UNION ALL SELECT 'connection of the test ' || state FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
    ) AS found (what)
"""
UNBALANCED = """
    SELECT count(*) FROM orca.reconcile_report AS report
    WHERE phantoms <> (SELECT count(*) FROM orca.reconcile_phantom_report WHERE job_id = report.job_id)
       OR orphans <> (SELECT count(*) FROM orca.reconcile_orphan_report WHERE job_id = report.job_id)
       OR mismatches <> (SELECT count(*) FROM orca.reconcile_catalog_mismatch_report WHERE job_id = report.job_id)
"""
