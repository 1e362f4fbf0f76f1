"""A job that is deleted: gone at once for who reads, a little at a time in the tables, and never a part of it in use."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.errors import JobRunning, NoSuchJob, NotStaged
from app.jobs import deletion
from app.jobs.deletion import WITHDRAWN, withdraw
from app.jobs.requests import delete, request_reconcile, submit
from app.jobs.runner import Runner
from app.jobs.store import get_job, lock_job
from app.settings import Settings
from tests.support.archive import published
from tests.support.manifests import look, row, run, write
from tests.support.old_jobs import MANIFEST, come_between, do, job, stage, until
from tests.support.traces import UNBALANCED, WAITING_FOR_A_ROW

STAGED = "SELECT count(*) FROM orca.reconcile_s3_object WHERE job_id = :job"
ORPHANS = "SELECT count(*) FROM orca.reconcile_orphan_report WHERE job_id = :job"


@pytest.fixture(autouse=True)
def _two_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "ROWS_AT_A_TIME", 2)


async def cut_off(database: Database, job_id: int, holding: str) -> None:
    """Have a deletion wait for rows that somebody else holds, and cut it off there."""
    async with database.engine.connect() as holder:
        await holder.execute(text(f"SELECT FROM {holding} FOR UPDATE"), {"job": job_id})
        deleting = asyncio.create_task(delete(database, job_id))
        await until(database, WAITING_FOR_A_ROW)
        deleting.cancel()
        await asyncio.gather(deleting, return_exceptions=True)
        await holder.rollback()
    assert deleting.cancelled()


async def test_a_deletion_that_is_cut_off_has_made_progress_and_goes_on_when_asked_again(database: Database) -> None:
    one = await job(database, 1, orphans=5)
    await cut_off(database, one, "orca.reconcile_orphan_report WHERE job_id = :job AND key_path = '5'")
    assert await do(database, ORPHANS, job=one) == 1
    async with database.reading() as connection:
        left = await get_job(connection, one)
    assert (left.status, left.error_message, left.report_totals, left.ended) == ("error", WITHDRAWN, None, True)
    await delete(database, one)
    assert await do(database, ORPHANS, job=one) == 0
    with pytest.raises(NoSuchJob):
        await delete(database, one)


async def test_staged_rows_go_with_their_job(database: Database) -> None:
    one = await job(database, 1)
    await stage(database, one, 5)
    await cut_off(database, one, "orca.reconcile_s3_object WHERE job_id = :job AND key_path LIKE '% 5'")
    assert await do(database, STAGED, job=one) == 1
    await delete(database, one)
    assert await do(database, STAGED, job=one) == 0


@pytest.mark.parametrize("own", [0, 5])
async def test_staged_rows_of_another_job_stay(database: Database, own: int) -> None:
    one, other = await job(database, 2), await job(database, 1)
    await stage(database, one, own)
    await stage(database, other, 5)
    await delete(database, one)
    assert await do(database, STAGED, job=one) == 0
    assert await do(database, STAGED, job=other) == 5
    assert await do(database, ORPHANS, job=other) == 3


async def test_a_part_of_what_was_staged_is_not_compared(database: Database, settings: Settings) -> None:
    one = await job(database, 1)
    await stage(database, one, 5)
    await cut_off(database, one, "orca.reconcile_s3_object WHERE job_id = :job AND key_path LIKE '% 5'")
    with pytest.raises(NotStaged, match="is being deleted"):
        await request_reconcile(database, settings, one)


async def test_a_job_with_a_manifest_is_taken_in_anew_also_by_who_waited_for_the_withdrawal(
    database: Database, settings: Settings
) -> None:
    one = await job(database, 1)
    await stage(database, one, 5)
    await do(database, MANIFEST, job=one, rows=5)
    async with database.transaction() as deleting:
        await lock_job(deleting, one)
        asking = asyncio.create_task(request_reconcile(database, settings, one))
        await until(database, WAITING_FOR_A_ROW)
        await withdraw(deleting, one)
    assert (await asking).status == "getting S3 list"
    assert await do(database, "SELECT count(*) FROM orca.reconcile_run WHERE take_in") == 1


@pytest.mark.parametrize("transactions", range(1, 8))
async def test_what_is_published_while_the_job_is_being_deleted_stays_whole(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transactions: int
) -> None:
    url = write(tmp_path, [row("a"), row("b"), row("c")])
    one = await run(database, settings, url, engine="postgres")

    async def rerun() -> None:
        assert (await submit(database, settings, manifest_url=url, rerun=True, engine="postgres"))[1]
        assert await Runner(database, settings).work_once()

    came_between = come_between(monkeypatch, transactions, rerun)
    with pytest.raises(JobRunning, match="stays"):
        await delete(database, one.id)
    assert came_between()
    assert (await look(database, one)).status == "success"
    assert (await published(database, one.id)).orphans == {"a", "b", "c"}
    assert await do(database, STAGED, job=one.id) == 3
    assert await do(database, UNBALANCED) == 0


async def test_who_asks_for_a_job_while_its_rows_are_being_deleted_waits(
    database: Database, settings: Settings
) -> None:
    """What it then has published cannot be taken for what was withdrawn."""
    one = await job(database, 1)
    await do(database, MANIFEST, job=one, rows=0)
    async with database.engine.connect() as holder:
        await holder.execute(text("SELECT FROM orca.reconcile_orphan_report WHERE key_path = '3' FOR UPDATE"))
        deleting = asyncio.create_task(delete(database, one))
        await until(database, WAITING_FOR_A_ROW)
        asking = asyncio.create_task(request_reconcile(database, settings, one))
        await until(database, f"SELECT ({WAITING_FOR_A_ROW}) = 2")
        await holder.rollback()
    await asyncio.gather(deleting, asking, return_exceptions=True)
    assert deleting.exception() or asking.exception()


async def test_two_who_delete_a_job_at_once_both_see_it_gone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await job(database, 1, orphans=5)
    came_between = come_between(monkeypatch, 3, lambda: delete(database, one))
    await delete(database, one)
    assert came_between()
    assert await do(database, "SELECT count(*) FROM orca.reconcile_job") == 0
