"""Jobs that go through the queue to a cluster, worked by a real runner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pyspark.sql import DataFrame
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.spark_cluster import Cluster
from app.db.engine import Database
from app.jobs.model import Job
from app.jobs.requests import submit
from app.jobs.runner import Runner
from app.settings import Settings
from tests.support.manifests import look

PATIENCE_S = 150.0


def settings_for(folder: Path, remote: str) -> Settings:
    return Settings(data_dir=folder / "data", manifest_prefixes=(folder.as_uri() + "/",), spark_remote=remote)


async def queued(database: Database, settings: Settings, manifest: Path) -> Job:
    job, was_queued = await submit(database, settings, manifest_url=manifest.as_uri(), engine="spark")
    assert was_queued
    return job


async def run(database: Database, settings: Settings, manifest: Path) -> Job:
    """Submit a job and do it, however often it is tried."""
    job = await queued(database, settings, manifest)
    async with working(database, settings):
        return await until(database, job, lambda now: now.ended)


async def run_once(database: Database, settings: Settings, manifest: Path) -> Job:
    """Submit a job whose first attempt is the last one, as if others had failed before."""
    job = await queued(database, settings, manifest)
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE orca.reconcile_run SET failures = 3"))
    async with working(database, settings):
        return await until(database, job, lambda now: now.ended)


@asynccontextmanager
async def working(database: Database, settings: Settings) -> AsyncIterator[None]:
    """Have a runner work for the length of the block, which looks for work often: a retry waits seconds for it."""

    ending = asyncio.Event()

    async def keep_working() -> None:
        runner = Runner(database, settings)
        while not ending.is_set():  # a run that has just ended takes a cancellation for its own
            if not await runner.work_once():
                await asyncio.sleep(0.1)

    work = asyncio.create_task(keep_working())
    try:
        yield
    finally:
        ending.set()
        work.cancel()
        stopped, _ = await asyncio.wait({work}, timeout=PATIENCE_S)
        assert stopped, f"the runner does not stop: {work.get_stack()}"  # rather than to hang


async def until(database: Database, job: Job, condition: Callable[[Job], bool], seconds: float = PATIENCE_S) -> Job:
    """Wait until what can be seen of the job is so."""
    async with asyncio.timeout(seconds):
        while not condition(job):
            await asyncio.sleep(0.05)
            job = await look(database, job)
    return job


async def lock_catalog(connection: AsyncConnection) -> None:
    """Have whoever reads the catalog wait until this transaction ends."""
    await connection.execute(text("LOCK TABLE orca.storage_class IN ACCESS EXCLUSIVE MODE"))


def lock_catalog_once_planned(connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the workers wait for the catalog, and not the driver, which asks for its columns before."""
    loop, keep = asyncio.get_running_loop(), Cluster.keep

    def lock_first(cluster: Cluster, rows: DataFrame) -> None:
        asyncio.run_coroutine_threadsafe(lock_catalog(connection), loop).result()
        keep(cluster, rows)

    monkeypatch.setattr(Cluster, "keep", lock_first)
