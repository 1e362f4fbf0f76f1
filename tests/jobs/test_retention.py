from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.jobs.deletion import withdraw
from app.jobs.requests import request_reconcile, submit
from app.jobs.retention import expired, purge
from app.jobs.runner import Runner
from app.settings import Settings
from tests.support.archive import published
from tests.support.manifests import look, row, run, write
from tests.support.old_jobs import MANIFEST, RUN, come_between, do, job, stage, until
from tests.support.service import command, serving
from tests.support.traces import UNBALANCED, WAITING, WAITING_FOR_A_ROW


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
    await stage(database, staged, 2)
    assert await purge(database, 30) == []


async def test_many_reports_are_purged_without_a_look_at_the_staged_rows(database: Database) -> None:
    jobs = [await job(database, 60, orphans=25_000) for _ in range(4)]
    newest = await job(database, 40)
    await stage(database, newest, 10_000)
    await do(database, "SELECT pg_stat_reset()::text IS NULL")
    assert [gone.id for gone in await purge(database, 30)] == jobs
    async with database.transaction() as connection:
        await connection.execute(text("SELECT pg_stat_force_next_flush()"))
    read = "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname = 'reconcile_s3_object_b'"
    assert await do(database, read) < 100


async def test_a_service_purges_and_a_command_for_one_inventory_does_not(database: Database, tmp_path: Path) -> None:
    old = await job(database, 60)
    await job(database, 40)
    environment = {"RECONCILE_DATABASE_URL": database.url, "RECONCILE_DATA_DIR": str(tmp_path)}
    manifest = write(tmp_path, [row("a")])
    reconciled = await asyncio.to_thread(partial(command, "reconcile", manifest, **environment))
    assert reconciled.returncode == 1, reconciled.stderr  # it has found an orphan
    still = "SELECT count(*) FROM orca.reconcile_job WHERE id = :job"
    assert await do(database, still, job=old) == 1
    with serving(tmp_path / "log", **environment):
        async with asyncio.timeout(30):
            while await do(database, still, job=old):
                await asyncio.sleep(0.1)


async def test_one_replica_purges_at_a_time(database: Database) -> None:
    await job(database, 60)
    await job(database, 40)
    async with database.reading() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(hashtextextended('orca-reconcile purge', 0))"))
        assert await purge(database, 30) == []
        await connection.execute(text("SELECT pg_advisory_unlock_all()"))
    assert len(await purge(database, 30)) == 1


async def test_what_a_request_did_not_finish_to_delete_is_finished_whatever_its_age(database: Database) -> None:
    newest, staged = await job(database, 0), await job(database, 0)
    await stage(database, staged, 2)
    for one in (newest, staged):
        async with database.transaction() as connection:
            await withdraw(connection, one)
    running = await job(database, 0)
    async with database.transaction() as connection:
        await withdraw(connection, running)
    await do(database, RUN, job=running)
    assert [gone.id for gone in await purge(database, 30)] == [newest, staged]
    assert await do(database, "SELECT count(*) FROM orca.reconcile_s3_object") == 0


async def test_a_purge_that_was_cut_off_is_finished_by_the_next(database: Database) -> None:
    old = await job(database, 60)
    await job(database, 40)
    async with database.transaction() as connection:
        await withdraw(connection, old)
    assert [gone.id for gone in await purge(database, 30)] == [old]


@pytest.mark.parametrize("status", [1, 4])  # the first is being staged by another program, and its status stays
async def test_a_job_that_was_asked_for_while_purge_waited_for_it_stays(
    database: Database, settings: Settings, status: int
) -> None:
    old = await job(database, 60, status=status)
    if status == 4:
        await do(database, MANIFEST, job=old, rows=0)
    async with database.engine.connect() as holder:
        await holder.execute(text("LOCK TABLE orca.reconcile_run IN SHARE MODE"))
        asking = asyncio.create_task(request_reconcile(database, settings, old))
        await until(database, WAITING, table="orca.reconcile_run")
        purging = asyncio.create_task(purge(database, 30))
        await until(database, WAITING_FOR_A_ROW)
        await holder.rollback()
    assert (await asking).id == old
    assert await purging == []
    assert await do(database, "SELECT count(*) FROM orca.reconcile_run WHERE state = 'queued'") == 1
    assert await do(database, "SELECT orphans FROM orca.reconcile_report") == 3


@pytest.mark.parametrize("transactions", range(1, 9))
async def test_what_is_published_while_the_job_is_being_purged_stays_whole(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transactions: int
) -> None:
    url = write(tmp_path, [row("a"), row("b"), row("c")])
    old = await run(database, settings, url)
    after_it = await job(database, 60, bucket="orca-archive")
    await do(database, "UPDATE orca.reconcile_job SET last_update = now() - interval '90 days'")
    monkeypatch.setattr("app.jobs.deletion.ROWS_AT_A_TIME", 1)

    async def rerun() -> None:
        assert (await submit(database, settings, manifest_url=url, rerun=True))[1]
        assert await Runner(database, settings).work_once()

    came_between = come_between(monkeypatch, transactions, rerun)
    assert await purge(database, 30) == []
    assert came_between()
    assert (await look(database, old)).status == "success"
    assert (await published(database, old.id)).orphans == {"a", "b", "c"}
    assert await do(database, UNBALANCED) == 0
    assert await do(database, f"SELECT count(*) FROM orca.reconcile_job WHERE id = {after_it}") == 1
