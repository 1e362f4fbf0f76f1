"""Runners that are killed, cut off, frozen or stopped at a point of our choosing, and what becomes of their job.

A lock on a table holds a runner up in one phase exactly: on `files` while it compares, on a report while it publishes,
on the parent of the staged rows while it makes them the archive location's partition.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.jobs.model import EngineName, Job
from app.jobs.requests import cancel, submit
from app.jobs.runner import Runner
from app.jobs.store import get_job
from app.settings import Settings
from tests.oracle import CatalogFile, ListedObject, reconcile
from tests.strategies import BUCKET, CREATED, Archive
from tests.support.archive import catalog_file, insert_catalog, published
from tests.support.reports import write_report
from tests.support.service import COMMAND

PATIENCE_S = 60.0
FULL = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass")
PHASES: list[tuple[EngineName, str]] = [
    ("duckdb", "orca.files"),
    ("duckdb", "orca.reconcile_orphan_report"),
    ("postgres", "orca.reconcile_s3_object"),
    ("postgres", "orca.files"),
    ("postgres", "orca.reconcile_orphan_report"),
]
WAITING = """
    SELECT count(*) FROM pg_locks AS lock JOIN pg_class AS held ON held.oid = lock.relation
    WHERE NOT lock.granted AND held.oid = CAST(:table AS regclass)
      AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# Tests that run side by side share the server, and tables of cloned databases their numbers.
HERE = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
LEFT_BEHIND = """
    SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE 'reconcile_load%')
         + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
         + (SELECT count(*) FROM orca.reconcile_run WHERE state IN ('queued', 'running'))
"""


def archive() -> Archive:
    """Make an archive with findings of each kind."""
    etag = "d41d8cd98f00b204e9800998ecf8427e"
    files: list[CatalogFile] = [catalog_file(f"granule/{number}", etag=f'"{etag}"') for number in range(300)]
    listed = [
        ListedObject(
            key=f"granule/{number}",
            etag=etag,
            size=int(number % 7 == 0),
            storage_class="GLACIER",
            last_modified=files[0].last_update,
        )
        for number in range(5, 310)
    ]
    return Archive(catalog=tuple(files), listed=tuple(listed), columns=FULL)


class Scene:
    """A queued job in a database of its own, and the runners that may work on it."""

    def __init__(self, database: Database, settings: Settings, job: Job, made: Archive) -> None:
        self.database = database
        self.settings = settings
        self.job = job
        self.expected = reconcile(made.catalog, made.listed, bucket=BUCKET, cutoff=CREATED)

    @asynccontextmanager
    async def held_up(self, table: str) -> AsyncIterator[None]:
        """Hold a lock on a table for the length of the block."""
        async with self.database.transaction() as connection:
            await connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
            yield

    async def until(self, statement: str, **values: object) -> None:
        async with asyncio.timeout(PATIENCE_S), self.database.reading() as connection:
            while not (await connection.execute(text(statement), values)).scalar_one():
                await asyncio.sleep(0.05)

    async def stuck_at(self, table: str) -> None:
        await self.until(WAITING, table=table)

    async def look(self) -> Job:
        async with self.database.reading() as connection:
            return await get_job(connection, self.job.id)

    async def finish(self) -> Job:
        """Let a runner of this process do what is left, waiting where a retry waits."""
        async with asyncio.timeout(PATIENCE_S):
            while not (job := await self.look()).ended:
                await Runner(self.database, self.settings).work_once()
                await asyncio.sleep(0.1)
        return job

    async def is_right(self) -> None:
        job = await self.look()
        assert (job.status, job.error_message) == ("success", None)
        assert await published(self.database, self.job.id) == self.expected
        await self.until(f"SELECT ({LEFT_BEHIND}) = 0")

    @asynccontextmanager
    async def process(self) -> AsyncIterator[subprocess.Popen[bytes]]:
        """Start a runner as a process of its own."""
        environment = {
            "RECONCILE_DATABASE_URL": self.database.url,
            "RECONCILE_DATA_DIR": str(self.settings.data_dir),
            "RECONCILE_MANIFEST_PREFIXES": f'["{self.settings.prefixes[0]}"]',
        }
        process = subprocess.Popen([*COMMAND, "work"], env={**os.environ, **environment})
        try:
            yield process
        finally:
            process.kill()
            process.wait()


async def scene(database: Database, settings: Settings, tmp_path: Path, engine: EngineName) -> Scene:
    made = archive()
    await insert_catalog(database, made.catalog)
    manifest = write_report(tmp_path, made, "CSV")
    job, _ = await submit(database, settings, manifest_url=manifest.as_uri(), engine=engine)
    return Scene(database, settings, job, made)


@pytest.mark.parametrize(("engine", "table"), PHASES)
async def test_a_killed_runner_s_work_is_taken_up(
    database: Database, settings: Settings, tmp_path: Path, engine: EngineName, table: str
) -> None:
    stage = await scene(database, settings, tmp_path, engine)
    async with stage.process() as process:
        async with stage.held_up(table):
            await stage.stuck_at(table)
            process.kill()
            process.wait()
        assert (await stage.finish()).attempt == 2
    await stage.is_right()


@pytest.mark.parametrize(("engine", "table"), PHASES)
async def test_connections_that_are_cut_are_made_again(
    database: Database, settings: Settings, tmp_path: Path, engine: EngineName, table: str
) -> None:
    stage = await scene(database, settings, tmp_path, engine)
    runner = asyncio.create_task(stage.finish())
    cutter = Database.at(database.url, pool_size=1)
    async with cutter.transaction() as connection:
        await connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        await stage.stuck_at(table)
        await connection.execute(text(OTHERS))
    await cutter.dispose()
    try:
        job = await runner
    except Exception:
        job = await stage.finish()  # the test's own connection was cut as well
    assert (job.attempt or 0) >= 2
    await stage.is_right()


async def test_a_frozen_runner_that_wakes_changes_nothing(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    stage = await scene(database, settings, tmp_path, "duckdb")
    async with stage.process() as process:
        async with stage.held_up("orca.reconcile_orphan_report"):
            await stage.stuck_at("orca.reconcile_orphan_report")
            process.send_signal(signal.SIGSTOP)
            async with database.transaction() as connection:
                # What a network that lost the machine comes to: PostgreSQL gives its connections up.
                alive = f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND {HERE}"
                await connection.execute(text(alive))
                waiting = f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND {HERE}"
                await connection.execute(text(waiting))
        assert (await stage.finish()).attempt == 2
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(2)
        assert process.poll() is None
    assert (await stage.look()).attempt == 2
    await stage.is_right()


async def test_a_stopped_runner_hands_its_work_back(database: Database, settings: Settings, tmp_path: Path) -> None:
    stage = await scene(database, settings, tmp_path, "duckdb")
    async with stage.process() as process:
        async with stage.held_up("orca.files"):
            await stage.stuck_at("orca.files")
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 10)
        await stage.until("SELECT state = 'queued' AND failures = 0 FROM orca.reconcile_run")
    await stage.finish()
    await stage.is_right()


@pytest.mark.parametrize(("engine", "table"), PHASES)
async def test_a_running_job_is_cancelled_within_two_seconds(
    database: Database, settings: Settings, tmp_path: Path, engine: EngineName, table: str
) -> None:
    stage = await scene(database, settings, tmp_path, engine)
    async with Runner(database, settings), stage.held_up(table):
        await stage.stuck_at(table)
        await cancel(database, stage.job.id)
        async with asyncio.timeout(2):
            while (job := await stage.look()).status != "error":
                await asyncio.sleep(0.02)
    assert job.error_message == "cancelled"
    assert not (await published(database, stage.job.id)).orphans
    await stage.until(f"SELECT ({LEFT_BEHIND}) = 0")
    assert not list(settings.spool.glob("**/*")) if settings.spool.exists() else True


async def test_a_job_that_keeps_failing_ends_in_error(database: Database, settings: Settings, tmp_path: Path) -> None:
    stage = await scene(database, settings, tmp_path, "duckdb")
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE orca.reconcile_run SET failures = 3"))
    table = "orca.reconcile_orphan_report"
    runner = asyncio.create_task(Runner(database, settings).work_once())
    async with stage.held_up(table):
        await stage.stuck_at(table)
        async with database.transaction() as connection:
            waiting = f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND {HERE}"
            await connection.execute(text(waiting))
    await runner
    job = await stage.look()
    assert job.status == "error"
    assert "The database did not stay reachable" in str(job.error_message)
    assert not (await published(database, stage.job.id)).orphans
