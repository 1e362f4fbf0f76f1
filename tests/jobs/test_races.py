"""What comes in the moment in which a run passes from one state to the next, and attempts whose place another has taken."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.db.engine import Database
from app.errors import RunLost
from app.jobs.bell import Bell
from app.jobs.claim import LEFT_TO_OTHERS, SQL, claimed
from app.jobs.requests import cancel, submit
from app.jobs.runner import Runner
from app.jobs.store import SQL as REQUESTS
from app.jobs.store import lock_job
from app.jobs.watch import Watch
from app.jobs.work import _goes_on, finish, work
from app.settings import Settings
from tests.support.manifests import look, row, write
from tests.support.old_jobs import do, until
from tests.support.traces import WAITING_FOR_A_ROW


@pytest.mark.parametrize("reconcile", [True, False])
async def test_a_cancellation_that_comes_with_the_last_step_counts(
    database: Database, settings: Settings, tmp_path: Path, *, reconcile: bool
) -> None:
    job, _ = await submit(database, settings, manifest_url=write(tmp_path, [row("a")]), reconcile=reconcile)
    async with claimed(database) as run:
        assert run is not None
        await cancel(database, job.id)
        with pytest.raises(RunLost):
            await work(database, settings, run, lambda *_: None)  # it has no watch that would see it earlier
    assert (await look(database, job)).report_totals is None
    assert await Runner(database, settings).work_once()
    assert (await look(database, job)).error_message == "cancelled"


async def test_a_job_that_is_asked_for_in_the_moment_that_it_is_staged_goes_on(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    job, _ = await submit(database, settings, manifest_url=write(tmp_path, [row("a")]), reconcile=False)
    async with database.transaction() as asking:
        await lock_job(asking, job.id)
        working = asyncio.create_task(Runner(database, settings).work_once())
        await until(database, WAITING_FOR_A_ROW)
        live = (await asking.execute(REQUESTS["live_run"], {"job_id": job.id})).one()
        await asking.execute(REQUESTS["reconcile_when_staged"], {"run_id": live.id})
    assert await working
    assert (await look(database, job)).status == "success"


async def test_a_run_that_is_taken_up_in_the_moment_that_it_is_cancelled_is_asked_to_stop(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """To call it cancelled at once is for runs that nobody works on."""
    job, _ = await submit(database, settings, manifest_url=write(tmp_path, [row("a")]))
    async with database.transaction() as claiming:
        await claiming.execute(SQL["claim"], {"lately": LEFT_TO_OTHERS, "readable": None})
        cancelling = asyncio.create_task(cancel(database, job.id))
        await until(database, WAITING_FOR_A_ROW)
    assert (await cancelling).status == "getting S3 list"
    assert (
        await do(database, "SELECT count(*) FROM orca.reconcile_run WHERE state = 'running' AND cancel_requested") == 1
    )


async def test_a_run_whose_results_are_being_written_is_not_taken_over(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """Its runner has lost the connection that kept it alive, and none of the others."""
    await submit(database, settings, manifest_url=write(tmp_path, [row("a")]))
    async with claimed(database) as run:
        assert run is not None
    async with database.transaction() as writing:
        assert await _goes_on(writing, run)
        async with claimed(database) as too_early:
            assert too_early is None
    async with claimed(database) as again:
        assert again is not None


async def test_an_attempt_changes_nothing_while_the_one_after_it_runs(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    job, _ = await submit(database, settings, manifest_url=write(tmp_path, [row("a")]))
    async with claimed(database) as lost:
        assert lost is not None
    async with claimed(database) as running:
        assert running is not None
        before = await look(database, job)
        with pytest.raises(RunLost):
            await Watch(database, lost, Bell()).check()
        with pytest.raises(RunLost):
            await work(database, settings, lost, lambda *_: None)
        async with database.transaction() as connection:
            with pytest.raises(RunLost):
                await finish(connection, lost, "failed", "It was lost.")
        with pytest.raises(RunLost):
            await Runner(database, settings)._hand_back(lost, delay=0, failures=1, error_message=None)
        assert await look(database, job) == before
        await Watch(database, running, Bell()).check()
