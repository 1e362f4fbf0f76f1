"""PostgreSQL goes away: one connection after the other, at COMMIT, or altogether."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Literal

import pytest

from app.jobs.model import EngineName
from tests.faults.conftest import Scenes
from tests.faults.scene import COMPARING, FETCHING, LOADING, PHASES, PUBLISHING, STAGING
from tests.support.cluster import Cluster
from tests.support.traces import OTHERS
from tests.support.wire import Direction, Moment, wire

# A session that is open when a run stops has its connection closed by its process's end, not by Python.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

# The lock, the listener and what the pool holds; the publishing transaction and the two that stream the catalog.
ROLES = ["lock", "listener", "transaction", "stream", "idle"]
ROLE = {
    "lock": "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')",
    "listener": "query LIKE 'LISTEN%'",
    "transaction": "application_name = 'orca-reconcile' AND (state = 'idle in transaction' OR wait_event_type = 'Lock')",
    "stream": "application_name = '' AND state = 'active'",
    "idle": "state = 'idle' AND query NOT LIKE 'LISTEN%' AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')",
}


@pytest.mark.parametrize(("engine", "place"), PHASES)
async def test_each_connection_that_is_cut_is_done_without(scenes: Scenes, engine: EngineName, place: str) -> None:
    """One scene for each connection that there may be in the phase, all at the same time."""

    async def cut(role: str) -> bool:
        scene = await scenes(engine)
        async with scene.runner():
            async with scene.held_up(place):
                await scene.stuck_at(place)
                found = f"SELECT pid FROM pg_stat_activity WHERE pid IN ({OTHERS}) AND {ROLE[role]}"
                there_was = bool(await scene.do(f"SELECT count(pg_terminate_backend(pid)) FROM ({found}) AS chosen"))
            await scene.ended()
        await scene.is_right()
        return there_was

    expected = {"lock", "listener", *({"transaction"} if place in {COMPARING, PUBLISHING} else ())}
    expected |= {"stream"} if place == LOADING else set()
    if place == FETCHING:
        there = [await cut(role) for role in ROLES]  # they share the store, which lets all go on at once
    else:
        there = await asyncio.gather(*map(cut, ROLES))
    assert {role for role, there_was in zip(ROLES, there, strict=True) if there_was} >= expected, there


@pytest.mark.parametrize(("engine", "place"), PHASES)
async def test_all_connections_that_are_cut_at_once_are_made_again(
    scenes: Scenes, engine: EngineName, place: str
) -> None:
    scene = await scenes(engine)
    async with scene.runner():
        async with scene.held_up(place):
            await scene.stuck_at(place)
            await scene.do(f"SELECT count(pg_terminate_backend(pid)) FROM ({OTHERS}) AS others")
        await scene.ended()
    await scene.is_right()


@pytest.mark.parametrize(("mode", "seconds"), [("fast", 20.0), ("immediate", 3.0)])
async def test_a_postgresql_that_is_stopped_and_started_again_is_waited_for(
    own_server: Cluster, scenes: Scenes, mode: Literal["fast", "immediate"], seconds: float
) -> None:
    """A run in each phase, all of them while the server is away: stopped in order for 20 s, or as by a loss of power."""
    stages = [(await scenes(engine, on=own_server), place) for engine, place in PHASES]
    async with AsyncExitStack() as runners:
        async with AsyncExitStack() as held_up:
            for scene, place in stages:
                await held_up.enter_async_context(scene.held_up(place))
                await runners.enter_async_context(scene.runner())
            for scene, place in stages:
                await scene.stuck_at(place)
            await asyncio.to_thread(own_server.stop, mode)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(own_server.start)
        for scene, _ in stages:
            await scene.ended()
    for scene, _ in stages:
        await scene.is_right()


async def test_a_runner_stops_while_postgresql_is_away(own_server: Cluster, scenes: Scenes) -> None:
    """It cannot hand its run back, and must not take another either once PostgreSQL is there again."""
    scene = await scenes("duckdb", on=own_server)
    async with scene.held_up(FETCHING), asyncio.timeout(60):
        async with scene.runner():
            await scene.stuck_at(FETCHING)
            await asyncio.to_thread(own_server.stop)
        await asyncio.to_thread(own_server.start)
    assert (await scene.finish()).attempt == 2


async def test_rows_that_a_crash_takes_back_are_loaded_again(own_server: Cluster, scenes: Scenes) -> None:
    """PostgreSQL confirms that rows are loaded and then loses them, as with an asynchronous commit or standby."""
    for setting, value in [("synchronous_commit", "off"), ("wal_writer_delay", "10s"), ("bgwriter_lru_maxpages", "0")]:
        await own_server.execute(f"ALTER SYSTEM SET {setting} = '{value}'")
    await own_server.execute("SELECT pg_reload_conf()")
    scene = await scenes("postgres", on=own_server)
    async with scene.runner():
        async with scene.held_up(STAGING):
            async with scene.held_up(LOADING):
                await scene.stuck_at(LOADING)
                await own_server.execute("CHECKPOINT")  # the empty table survives
            await scene.stuck_at(STAGING)
            await asyncio.to_thread(own_server.stop, "immediate")
            await asyncio.to_thread(own_server.start)
            assert await scene.do("SELECT count(*) FROM orca.reconcile_load_1_1") == 0
        job = await scene.ended()
    assert job.attempt == 2
    await scene.is_right()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("engine", "statement"),
    [
        ("duckdb", "reconcile_report_part"),
        ("postgres", "reconcile_report_part"),
        ("postgres", "reconcile_attach_load"),
    ],
)
async def test_a_commit_of_which_nobody_hears_is_done_once(
    scenes: Scenes, engine: EngineName, statement: str, moment: Moment
) -> None:
    """The connection is cut at the COMMIT that publishes: before PostgreSQL sees it, or after it has done it."""
    scene = await scenes(engine)
    async with wire(scene.url) as (proxy, url):
        scene.url = url
        proxy.cut(moment, after_statement=statement)
        async with scene.runner():
            job = await scene.ended()
        assert proxy.cuts == 1
    assert await scene.do("SELECT count(*) FROM orca.reconcile_report WHERE published_at IS NOT NULL") == 1
    # What was to be attached is attached once more by the attempt itself; only a publication that was lost takes another one.
    assert job.attempt == (2 if moment == "before" and statement == "reconcile_report_part" else 1)
    await scene.is_right()
    if statement == "reconcile_attach_load":
        assert await scene.do(f"SELECT count(*) = 305 FROM {STAGING}")


@pytest.mark.parametrize("after_bytes", [0, 200, 5000])
@pytest.mark.parametrize(("engine", "direction"), [("duckdb", "TO STDOUT"), ("postgres", "FROM STDIN")])
async def test_a_copy_that_breaks_off_is_the_database_s_fault_and_is_done_again(
    scenes: Scenes, engine: EngineName, direction: Direction, after_bytes: int
) -> None:
    """The catalog as it streams out, or the inventory as it streams in: neither is a fault of the inventory."""
    scene = await scenes(engine)
    async with wire(scene.url) as (proxy, url):
        scene.url = url
        proxy.cut_copy(direction, after_bytes=after_bytes)
        async with scene.runner():
            await scene.until("SELECT failures = 1 OR state = 'failed' FROM orca.reconcile_run")
            said = await scene.do("SELECT error_message FROM orca.reconcile_run")
            await scene.ended()
        assert proxy.cuts == 1
    assert said == "The database did not stay reachable."
    assert (await scene.is_right()).attempt == 2
