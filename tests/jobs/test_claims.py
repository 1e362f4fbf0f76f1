"""Which run is taken up, and when: the oldest first, each archive location by itself, and none before its time."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from sqlalchemy import text

from app.db.engine import Database
from app.jobs.claim import LEFT_TO_OTHERS, SQL, claimed
from app.jobs.requests import request_reconcile, submit
from app.jobs.runner import Runner
from app.settings import Settings
from tests.support.manifests import look, row, run, write
from tests.support.old_jobs import do

FIRST_DAY, DAY = 1715043600000, 86_400_000
WAIT = "SELECT CAST(extract(epoch FROM not_before - now()) AS float8) FROM orca.reconcile_run WHERE state = 'queued'"
PUT_OFF = "UPDATE orca.reconcile_run SET not_before = now() + make_interval(mins => :minutes) WHERE state = 'queued'"


async def test_a_busy_archive_location_holds_up_no_other_and_the_oldest_run_is_first(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    buckets = ["busy", "busy", "free", "free"]
    urls = [write(tmp_path, [], created=FIRST_DAY + day * DAY, bucket=bucket) for day, bucket in enumerate(buckets)]
    jobs = [(await submit(database, settings, manifest_url=url))[0].id for url in urls]
    # The order of the runs is not that of their jobs, nor that in which they lie.
    await do(database, "UPDATE orca.reconcile_run SET id = 10 - id")
    async with AsyncExitStack() as stack:
        taken = [await stack.enter_async_context(claimed(database)) for _ in range(3)]
    assert [run and run.job_id for run in taken] == [jobs[3], jobs[1], None]


async def test_a_run_that_came_after_the_look_at_the_manifests_waits_for_the_next(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    job, _ = await submit(database, settings, manifest_url=write(tmp_path, [row("a")]))
    async with database.reading() as connection:
        looked = {"lately": LEFT_TO_OTHERS, "readable": []}
        assert (await connection.execute(SQL["claim"], looked)).one_or_none() is None
    async with claimed(database, ["s3://elsewhere/"]) as run:
        assert run is None
    async with claimed(database, settings.prefixes) as run:
        assert run is not None
        assert run.job_id == job.id


async def test_each_failure_that_may_pass_is_waited_after_for_longer(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """One second, two and four, and up to one more of chance; what fails once more has failed."""
    job = await run(database, settings, write(tmp_path, [row("a")]), reconcile=False)
    await request_reconcile(database, settings, job.id)
    await do(database, "DELETE FROM orca.reconcile_s3_object")  # which PostgreSQL may have lost
    runner = Runner(database, settings)
    for seconds in (1, 2, 4):
        assert await runner.work_once()
        async with database.reading() as connection:
            wait = (await connection.execute(text(WAIT))).scalar_one()
        assert seconds - 0.5 < wait < seconds + 1
        await do(database, PUT_OFF, minutes=1)
        assert not await runner.work_once()
        await do(database, PUT_OFF, minutes=0)
    assert await runner.work_once()
    assert "has lost rows" in str((await look(database, job)).error_message)
