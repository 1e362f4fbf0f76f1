"""Runs as their rows tell of them: handed back, lost to another runner, watched over a silent connection."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.db.engine import Database
from app.errors import RunLost
from app.jobs import watch as watches
from app.jobs.bell import Bell
from app.jobs.claim import SQL, claimed
from app.jobs.requests import cancel, submit
from app.jobs.runner import Runner
from app.jobs.watch import Watch
from app.jobs.work import work
from app.settings import Settings
from tests.support.manifests import look, row, write

RUN = "SELECT attempt, failures, state FROM orca.reconcile_run"


async def the_run(database: Database) -> tuple[object, ...]:
    async with database.reading() as connection:
        return tuple((await connection.execute(text(RUN))).one())


async def test_a_run_that_is_being_handed_back_is_nobody_else_s_until_it_is_let_go(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    await submit(database, settings, manifest_url=write(tmp_path, [row("a")]))
    async with claimed(database) as run:
        assert run is not None
        back = {"run_id": run.id, "attempt": run.attempt, "delay": 0, "failures": 0, "error_message": None}
        async with database.transaction() as connection:
            await connection.execute(SQL["hand_back"], back)
        async with claimed(database) as too_early:
            assert too_early is None
        assert await the_run(database) == (1, 0, "queued")
    async with claimed(database) as again:
        assert again is not None
        assert (again.attempt, again.failures) == (2, 0)


async def test_an_attempt_that_was_lost_changes_nothing(database: Database, settings: Settings, tmp_path: Path) -> None:
    job, _ = await submit(database, settings, manifest_url=write(tmp_path, [row("a")]))
    async with claimed(database) as lost:
        assert lost is not None
    assert await Runner(database, settings).work_once()
    before = await look(database, job)
    assert (before.status, before.attempt) == ("success", 2)
    with pytest.raises(RunLost):
        await work(database, settings, lost, lambda *_: None)
    assert await look(database, job) == before


async def test_a_connection_that_falls_silent_is_given_up(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may never break: another runner would have the run long before anybody noticed."""
    monkeypatch.setattr(watches, "SILENCE_S", 0.5)
    await submit(database, settings, manifest_url=write(tmp_path, [row("a")]))
    async with claimed(database) as run, database.transaction() as holder:
        assert run is not None
        await holder.execute(text("LOCK TABLE orca.reconcile_run IN ACCESS EXCLUSIVE MODE"))
        async with asyncio.timeout(10):
            with pytest.raises(TimeoutError):
                await Watch(database, run, Bell()).keep()


async def test_a_cancelled_run_is_counted_as_such(database: Database, settings: Settings, tmp_path: Path) -> None:
    def ended(how: str) -> float:
        labels = {"engine": "duckdb", "end": how}
        return REGISTRY.get_sample_value("orca_reconcile_runs_ended_total", labels) or 0.0

    job, _ = await submit(database, settings, manifest_url=write(tmp_path, [row("a")]))
    async with claimed(database):
        await cancel(database, job.id)
    before = ended("cancelled"), ended("failed")
    assert await Runner(database, settings).work_once()
    assert (await look(database, job)).error_message == "cancelled"
    assert (ended("cancelled"), ended("failed")) == (before[0] + 1, before[1])
