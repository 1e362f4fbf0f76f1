from __future__ import annotations

from sqlalchemy import text

from app.db.engine import Database
from app.jobs.retention import expired, purge

JOB = """
    INSERT INTO orca.reconcile_job (orca_archive_location, status_id, inventory_creation_time, start_time, last_update)
    VALUES (:bucket, :status, now() - make_interval(days => :days), now(), now() - make_interval(days => :days))
    RETURNING id
"""
ORPHANS = """
    INSERT INTO orca.reconcile_orphan_report
    SELECT :job, number::text, '""', now(), 0, '' FROM generate_series(1, :rows) AS number
"""
REPORT = """
    INSERT INTO orca.reconcile_report VALUES
        (:job, now(), 'duckdb', now(), 0, 0, '{}', '{}', 0, :rows, 0, 0, 0, 0, 0, 0, 0)
"""
RUN = """
    INSERT INTO orca.reconcile_run (job_id, orca_archive_location, engine, reconcile, take_in)
    VALUES (:job, 'b', 'duckdb', true, true)
"""
PARTITION = """
    CREATE TABLE orca.reconcile_s3_object_b PARTITION OF orca.reconcile_s3_object (PRIMARY KEY (key_path)) FOR VALUES IN ('b')
"""
STAGED = """
    INSERT INTO orca.reconcile_s3_object SELECT :job, 'b', number::text, '""', now(), 0, '', false
    FROM generate_series(1, :rows) AS number
"""


async def do(database: Database, statement: str, **values: object) -> int:
    async with database.transaction() as connection:
        result = await connection.execute(text(statement), values)
        return int(result.scalar_one()) if result.returns_rows else 0


async def job(database: Database, days: int, status: int = 5, bucket: str = "b", orphans: int = 3) -> int:
    number = await do(database, JOB, bucket=bucket, status=status, days=days)
    await do(database, ORPHANS, job=number, rows=orphans)
    await do(database, REPORT, job=number, rows=orphans)
    return number


async def test_old_jobs_go_and_what_is_needed_stays(database: Database) -> None:
    old, failed = await job(database, 60), await job(database, 50, status=4)
    newest_success, running = await job(database, 40), await job(database, 45)
    only_success_elsewhere = await job(database, 90, bucket="c")
    young = await job(database, 10, status=4)
    await do(database, RUN, job=running)
    assert [found.id for found in await expired(database, 30)] == [old, failed]
    assert [gone.id for gone in await purge(database, 30)] == [old, failed]
    async with database.reading() as connection:
        left = await connection.execute(text("SELECT id FROM orca.reconcile_job ORDER BY id"))
        assert set(left.scalars()) == {newest_success, running, only_success_elsewhere, young}
        orphans = await connection.execute(text("SELECT DISTINCT job_id FROM orca.reconcile_orphan_report"))
        assert set(orphans.scalars()) == {newest_success, running, only_success_elsewhere, young}


async def test_a_job_whose_rows_are_staged_stays(database: Database) -> None:
    staged = await job(database, 60)
    await job(database, 40)
    await do(database, PARTITION)
    await do(database, STAGED, job=staged, rows=2)
    assert await purge(database, 30) == []


async def test_many_reports_are_purged_without_a_look_at_the_staged_rows(database: Database) -> None:
    jobs = [await job(database, 60, orphans=25_000) for _ in range(4)]
    newest = await job(database, 40)
    await do(database, PARTITION)
    await do(database, STAGED, job=newest, rows=10_000)
    await do(database, "SELECT pg_stat_reset()::text IS NULL")
    assert [gone.id for gone in await purge(database, 30)] == jobs
    async with database.transaction() as connection:
        await connection.execute(text("SELECT pg_stat_force_next_flush()"))
    read = "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname = 'reconcile_s3_object_b'"
    assert await do(database, read) < 100


async def test_one_replica_purges_at_a_time(database: Database) -> None:
    await job(database, 60)
    await job(database, 40)
    async with database.reading() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(hashtextextended('orca-reconcile purge', 0))"))
        assert await purge(database, 30) == []
        await connection.execute(text("SELECT pg_advisory_unlock_all()"))
    assert len(await purge(database, 30)) == 1
