"""Runners that are killed, frozen, stopped or told to stop, in each phase."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path

import pytest
import structlog
from structlog.typing import EventDict

from app.jobs.model import EngineName
from app.jobs.requests import cancel
from tests.faults.conftest import Scenes
from tests.faults.scene import CLAIMING, COMPARING, PATIENCE_S, PHASES, PUBLISHING, STAGING
from tests.support.traces import HERE, OTHERS

in_each_phase = pytest.mark.parametrize(("engine", "place"), PHASES)


@in_each_phase
async def test_a_killed_runner_s_work_is_taken_up(scenes: Scenes, engine: EngineName, place: str) -> None:
    scene = await scenes(engine)
    with scene.process() as process:
        async with scene.held_up(place):
            await scene.stuck_at(place)
            process.kill()
            process.wait()
    assert (await scene.finish()).attempt == 2


@in_each_phase
async def test_a_killed_runner_s_work_is_taken_up_on_another_machine(
    scenes: Scenes, engine: EngineName, place: str
) -> None:
    """What the dead one has left on its disk goes when it is started again."""
    scene = await scenes(engine)
    elsewhere = scene.settings.data_dir / "elsewhere"
    with scene.process(RECONCILE_SPOOL_DIR=str(elsewhere)) as process:
        async with scene.held_up(place):
            await scene.stuck_at(place)
            process.kill()
            process.wait()
    assert (await scene.finish()).attempt == 2
    async with scene.runner(spool_dir=elsewhere), asyncio.timeout(5):
        while any(elsewhere.rglob("*")):
            await asyncio.sleep(0.05)


@in_each_phase
async def test_a_frozen_runner_that_wakes_changes_nothing(
    scenes: Scenes, engine: EngineName, place: str, tmp_path: Path
) -> None:
    """Two replicas: the first freezes until PostgreSQL has given up the connection that kept its run alive."""
    scene = await scenes(engine)
    with (tmp_path / "log").open("wb") as log, scene.process(log) as frozen:
        async with scene.held_up(place):
            await scene.stuck_at(place)
            frozen.send_signal(signal.SIGSTOP)
            await scene.do(f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND {HERE}")
        async with scene.runner():
            await scene.until("SELECT attempt = 2 FROM orca.reconcile_run")
            await asyncio.sleep(0.5)
            frozen.send_signal(signal.SIGCONT)
            assert (await scene.ended()).attempt == 2
            await asyncio.sleep(1)
            assert frozen.poll() is None
    assert (await scene.is_right()).attempt == 2
    told = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines() if "run_id" in line]
    assert told == ["run started", "run is no longer this runner's"]


@in_each_phase
async def test_a_machine_that_is_gone_is_done_without(scenes: Scenes, engine: EngineName, place: str) -> None:
    """PostgreSQL's keepalives give up all connections of a machine that answers no more."""
    scene = await scenes(engine)
    with scene.process() as frozen:
        async with scene.held_up(place):
            await scene.stuck_at(place)
            frozen.send_signal(signal.SIGSTOP)
            await scene.do(f"SELECT pg_terminate_backend(pid) FROM ({OTHERS}) AS others")
        async with scene.runner():
            assert (await scene.ended()).attempt == 2
    assert (await scene.is_right()).attempt == 2


async def _told(logs: list[EventDict], lines: int) -> None:
    """Wait until so many lines were logged: the last one comes a moment after the end of the run."""
    async with asyncio.timeout(PATIENCE_S):
        while len(logs) < lines:
            await asyncio.sleep(0.02)


async def test_a_job_that_takes_each_of_its_runners_with_it_ends_in_error(scenes: Scenes) -> None:
    scene = await scenes("duckdb")
    await scene.do("UPDATE orca.reconcile_run SET failures = 3")
    with scene.process() as process:
        async with scene.held_up(PUBLISHING):
            await scene.stuck_at(PUBLISHING)
            process.kill()
            process.wait()
    said = "Every runner that took this job up disappeared."
    with structlog.testing.capture_logs() as logs:
        async with scene.runner():
            await _told(logs, 2)
    assert (await scene.is_void(said)).attempt == 2
    assert [(entry["event"], entry.get("reason")) for entry in logs] == [("run started", None), ("run failed", said)]


async def test_what_fails_a_run_that_was_lost_is_told_as_its_loss(scenes: Scenes) -> None:
    """Nobody will try again what another runner has taken over, and nothing has failed."""
    scene = await scenes("duckdb")
    with structlog.testing.capture_logs() as logs:
        async with scene.runner():
            async with scene.held_up(PUBLISHING):
                await scene.stuck_at(PUBLISHING)
                await scene.do("UPDATE orca.reconcile_run SET attempt = 2")
                await scene.do(f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND {HERE}")
                await scene.until("SELECT attempt = 3 FROM orca.reconcile_run")
            await _told(logs, 4)
    assert (await scene.is_right()).attempt == 3
    assert [entry["event"] for entry in logs] == [
        "run started",
        "run is no longer this runner's",
        "run started",
        "run succeeded",
    ]


@in_each_phase
async def test_a_stopped_runner_hands_its_work_back(scenes: Scenes, engine: EngineName, place: str) -> None:
    """SIGTERM: another takes the work up at once, and the run is not to blame."""
    scene = await scenes(engine)
    with scene.process() as process:
        async with scene.held_up(place):
            await scene.stuck_at(place)
            told = time.monotonic()
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 10)
            assert time.monotonic() - told < 10
            assert await scene.do("SELECT state = 'queued' AND failures = 0 FROM orca.reconcile_run")
    await scene.finish()


async def test_a_runner_that_is_stopped_while_it_claims_hands_back_what_it_got(scenes: Scenes) -> None:
    """PostgreSQL may have given it the run by the time that it is told to stop."""
    scene = await scenes("duckdb")
    async with asyncio.timeout(PATIENCE_S), scene.held_up(CLAIMING) as holder, scene.runner():
        await scene.stuck_at(CLAIMING)
        assert holder is not None
        await holder.rollback()
    assert await scene.do("SELECT state = 'queued' AND attempt = 1 AND failures = 0 FROM orca.reconcile_run")
    await scene.finish()


@pytest.mark.parametrize("place", [STAGING, COMPARING])
async def test_what_was_handed_back_and_is_then_cancelled_leaves_nothing(scenes: Scenes, place: str) -> None:
    scene = await scenes("postgres")
    with scene.process() as process:
        async with scene.held_up(place):
            await scene.stuck_at(place)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 10)
            await cancel(scene.database, scene.job.id)
    async with scene.runner():  # this machine's next one sweeps what the run had fetched
        pass
    await scene.is_void("cancelled")


@in_each_phase
async def test_a_running_job_is_cancelled_within_two_seconds(scenes: Scenes, engine: EngineName, place: str) -> None:
    scene = await scenes(engine)
    async with scene.runner(), scene.held_up(place):
        await scene.stuck_at(place)
        await cancel(scene.database, scene.job.id)
        async with asyncio.timeout(2):
            while (await scene.look()).status != "error":
                await asyncio.sleep(0.02)
    await scene.is_void("cancelled")


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
async def test_a_job_says_when_it_ended(scenes: Scenes, engine: EngineName) -> None:
    """And not when the transaction began that published it, which was before the comparison."""
    scene = await scenes(engine)
    async with scene.runner():
        async with scene.held_up(PUBLISHING):
            await scene.stuck_at(PUBLISHING)
            meanwhile = await scene.do("SELECT clock_timestamp()")
        job = await scene.ended()
    assert job.end_time is not None
    assert job.last_update == job.end_time > meanwhile
    assert await scene.do("SELECT published_at FROM orca.reconcile_report") > meanwhile
    assert await scene.do("SELECT ended_at FROM orca.reconcile_run") > meanwhile


async def test_a_job_that_keeps_failing_ends_in_error(scenes: Scenes) -> None:
    scene = await scenes("duckdb")
    async with scene.runner():
        for attempt in range(1, 5):
            async with scene.held_up(PUBLISHING):
                await scene.stuck_at(PUBLISHING)
                assert (await scene.look()).attempt == attempt
                await scene.do(f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND {HERE}")
                await scene.until(
                    "SELECT failures = :failures OR state = 'failed' FROM orca.reconcile_run", failures=attempt
                )
            await scene.do("UPDATE orca.reconcile_run SET not_before = now() WHERE state = 'queued'")
            await scene.do("SELECT pg_notify('reconcile_run', 'not before')")
        await scene.ended()
    assert (await scene.is_void("The database did not stay reachable")).attempt == 4
