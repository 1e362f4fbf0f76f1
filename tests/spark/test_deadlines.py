"""A catalog that keeps its readers waiting: the run says so in time, and nothing of it waits on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare import spark as engine_module
from app.compare import spark_cluster
from app.db.engine import Database
from tests.inventory.building import Row, data_file
from tests.spark.runs import lock_catalog, lock_catalog_once_planned, run_once, settings_for
from tests.spark.samples import listed_in
from tests.support.spark_session import Servers

pytestmark = pytest.mark.spark

Locking = Callable[[AsyncConnection, pytest.MonkeyPatch], Awaitable[None]]

WAITING = text("SELECT count(*) FROM pg_locks WHERE relation = 'orca.storage_class'::regclass AND NOT granted")


async def _at_once(connection: AsyncConnection, _: pytest.MonkeyPatch) -> None:
    """Have the driver wait, which asks for the tables' columns before there is a query that could be interrupted."""
    await lock_catalog(connection)


async def _once_it_is_planned(connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the workers wait, which read the rows."""
    lock_catalog_once_planned(connection, monkeypatch)


@pytest.mark.parametrize("locked", [_at_once, _once_it_is_planned])
async def test_readers_that_wait_for_a_lock(
    on_tcp: Database,
    servers: Servers,
    remote: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    locked: Locking,
) -> None:
    only = uuid4()
    monkeypatch.setattr(engine_module, "uuid4", lambda: only)
    manifest = listed_in(tmp_path, "CSV", [data_file("CSV", [Row("a")])])
    async with on_tcp.transaction() as connection:
        await locked(connection, monkeypatch)
        running = asyncio.create_task(run_once(on_tcp, settings_for(tmp_path, remote), manifest))
        await _until_readers_wait(connection, wanted=True, seconds=90)
        monkeypatch.setattr(spark_cluster, "PATIENCE_S", 2.0)
        started = time.monotonic()
        job = await running
        assert time.monotonic() - started < 30  # 2 s, a look, an interrupt and hanging up, on a machine that is busy
        said = "The Spark cluster made no progress for 2 s while comparing: "
        assert (job.status, (job.error_message or "")[: len(said)]) == ("error", said)
        # The lock is still there, so whatever waited for it has been ended.
        await _until_readers_wait(connection, wanted=False, seconds=2)
        assert not await asyncio.to_thread(servers.works_on, only.hex)


async def _until_readers_wait(connection: AsyncConnection, *, wanted: bool, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while bool((await connection.execute(WAITING)).scalar_one()) != wanted:
            await asyncio.sleep(0.05)
