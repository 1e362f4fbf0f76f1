"""A job whose run is held up in the phase of our choosing, and what has to be true once all is over.

Its inventory lies in a real S3. A store that does not answer holds a runner up while it fetches; a lock on a table does in
the other phases: on a table of ours, at which a trigger looks, while it loads rows, on the parent of the staged rows while it makes them the
archive location's partition, on `files` while it
compares, on a report while it publishes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any
from uuid import uuid4

import asyncpg
import obstore
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Database
from app.jobs.model import EngineName, Job
from app.jobs.requests import submit
from app.jobs.runner import Runner
from app.jobs.store import get_job
from app.settings import Settings
from tests.oracle import CatalogFile, Findings, ListedObject, reconcile
from tests.strategies import BUCKET, CREATED, Archive
from tests.support.archive import catalog_file, insert_catalog, published
from tests.support.reports import write_report
from tests.support.seaweed import Seaweed
from tests.support.service import COMMAND
from tests.support.traces import LEFT_BEHIND, TEST, UNBALANCED, WAITING
from tests.support.unruly import Unruly

PATIENCE_S = 60.0
FULL = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass")

DESTINATION = "inventory-reports"
FETCHING = "the store"
LOADING, STAGING = "orca.gate", "orca.reconcile_s3_object"
COMPARING, PUBLISHING = "orca.files", "orca.reconcile_orphan_report"
CLAIMING = "orca.reconcile_run"
# Rows that are to be loaded take the parent's shape before, and who claims has a look at the runs: the locks allow to read.
LOCKS = {STAGING: "SHARE UPDATE EXCLUSIVE", CLAIMING: "EXCLUSIVE"}
PHASES: list[tuple[EngineName, str]] = [
    ("duckdb", FETCHING),
    ("duckdb", COMPARING),
    ("duckdb", PUBLISHING),
    ("postgres", LOADING),
    ("postgres", STAGING),
    ("postgres", COMPARING),
    ("postgres", PUBLISHING),
]
# The table into which a run loads is made by the run: it gets a trigger that looks at a table of ours for every row.
GATE = """
    CREATE TABLE orca.gate ();
    CREATE FUNCTION orca.pass() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM FROM orca.gate; RETURN NEW; END $$;
    CREATE FUNCTION orca.put_gate() RETURNS event_trigger LANGUAGE plpgsql AS $$
    DECLARE made record;
    BEGIN
        FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE 'orca.reconcile_load%' LOOP
            EXECUTE format('CREATE OR REPLACE TRIGGER gate BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION orca.pass()',
                           made.object_identity);
        END LOOP;
    END $$;
    CREATE EVENT TRIGGER put_gate ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION orca.put_gate();
"""
NOTHING = Findings(
    phantoms=set(),
    orphans=set(),
    mismatches={},
    pending_phantoms=set(),
    pending_orphans=set(),
    pending_mismatches=set(),
)


def archive() -> Archive:
    """Make an archive with findings of each kind."""
    etag = "d41d8cd98f00b204e9800998ecf8427e"
    files: list[CatalogFile] = [catalog_file(f"gränule/{number}", etag=f'"{etag}"') for number in range(300)]
    listed = [
        ListedObject(
            key=f"gränule/{number}",
            etag=etag,
            size=int(number % 7 == 0),
            storage_class="GLACIER",
            last_modified=files[0].last_update,
        )
        for number in range(5, 310)
    ]
    return Archive(catalog=tuple(files), listed=tuple(listed), columns=FULL)


@dataclass
class Scene:
    """A queued job in a database of its own, and the runners that may work on it.

    `url` is how a runner reaches the database, when not as the test does.
    """

    database: Database
    settings: Settings
    store: Unruly
    destination: str
    job: Job
    expected: Findings
    url: str = field(default="", repr=False)

    @classmethod
    async def of(
        cls,
        url: str,
        settings: Settings,
        store: Unruly,
        seaweed: Seaweed,
        engine: EngineName,
        made: Archive | None = None,
    ) -> Scene:
        """Put the catalog into the database of `url`, the inventory into S3, and submit it."""
        made = made or archive()
        database = Database.at(url, application_name=TEST)
        await insert_catalog(database, made.catalog)
        if engine == "postgres":
            async with database.transaction() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None
                await driver.execute(GATE)
        destination = f"{DESTINATION}/{uuid4().hex}"
        bucket = seaweed.bucket(DESTINATION)
        folder = settings.data_dir / "delivered"
        manifest = write_report(folder, made, "CSV")
        place = destination.partition("/")[2]
        raw = manifest.read_bytes().replace(b'"reports/', f'"{place}/reports/'.encode())
        manifest.write_bytes(raw)
        manifest.with_name("manifest.checksum").write_text(hashlib.md5(raw, usedforsecurity=False).hexdigest())
        for path in folder.rglob("*"):
            if path.is_file():
                await obstore.put_async(bucket, f"{place}/{path.relative_to(folder).as_posix()}", path)
        settings = settings.model_copy(update={"manifest_prefixes": (f"s3://{destination}/",)})
        located = f"s3://{destination}/{manifest.relative_to(folder).as_posix()}"
        job, _ = await submit(database, settings, manifest_url=located, engine=engine)
        expected = reconcile(made.catalog, made.listed, bucket=BUCKET, cutoff=CREATED)
        return cls(database, settings, store, destination, job, expected, url)

    def _data_file(self, line: str) -> bool:
        return line.startswith("GET") and self.destination in line and "/data/" in line

    @asynccontextmanager
    async def held_up(self, place: str) -> AsyncIterator[AsyncConnection | None]:
        """Hold runners up in one phase for the length of the block; gives the transaction that does, where one does."""
        if place == FETCHING:
            self.store.stall(1_000_000, self._data_file)
            yield None
            await self.store.go_on()
            return
        holder = await self.database.engine.connect()
        try:
            await holder.execute(text(f"LOCK TABLE {place} IN {LOCKS.get(place, 'ACCESS EXCLUSIVE')} MODE"))
            yield holder
        finally:
            try:
                await holder.rollback()
                await holder.close()
            except Exception:
                await holder.invalidate()  # the fault has hit the test's own connection as well

    async def stuck_at(self, place: str) -> None:
        """Wait until a runner is held up there."""
        if place == FETCHING:
            await self._until(lambda: any(map(self._data_file, self.store.requests)))
        else:
            await self.until(WAITING, table=place)

    async def _until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await asyncio.sleep(0.02)

    async def do(self, statement: str, **values: object) -> Any:
        """Run a statement of the test's, and give its one value."""
        async with self.database.reading() as connection:
            result = await connection.execute(text(statement), values)
            return result.scalar() if result.returns_rows else None

    async def until(self, statement: str, **values: object) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await self.do(statement, **values):
                await asyncio.sleep(0.02)

    async def look(self) -> Job:
        async with self.database.reading() as connection:
            return await get_job(connection, self.job.id)

    @asynccontextmanager
    async def runner(self, **changes: object) -> AsyncIterator[Runner]:
        """Run a runner with connections of its own in this process, and close it in order."""
        database = Database.at(self.url)
        try:
            async with Runner(database, self.settings.model_copy(update=changes)) as runner:
                yield runner
        finally:
            await database.dispose()

    @contextmanager
    def process(self, log: IO[bytes] | None = None, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start a runner as a process of its own, and kill it at the end; it may have a file for its log."""
        environment = {
            "RECONCILE_DATABASE_URL": self.url,
            "RECONCILE_DATA_DIR": str(self.settings.data_dir),
            "RECONCILE_MANIFEST_PREFIXES": json.dumps(self.settings.prefixes),
            **environment,
        }
        process = subprocess.Popen([*COMMAND, "work"], env={**os.environ, **environment}, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    async def ended(self) -> Job:
        """Wait for the job's end; no retry is waited for longer than it takes to see it."""
        async with asyncio.timeout(PATIENCE_S):
            while not (job := await self.look()).ended:
                await self.do(
                    "UPDATE orca.reconcile_run SET not_before = now() WHERE state = 'queued' AND not_before > now()"
                )
                await self.do("SELECT pg_notify('reconcile_run', 'not before')")
                await asyncio.sleep(0.1)
        return job

    async def finish(self) -> Job:
        """Let a runner of this process do what is left, and see that it is done right."""
        async with self.runner():
            await self.ended()
        return await self.is_right()

    async def is_right(self) -> Job:
        """See that the job succeeded with the expected reports, once, and that nothing else is left of it."""
        job = await self.look()
        assert (job.status, job.error_message) == ("success", None)
        assert await published(self.database, self.job.id) == self.expected
        assert await self.do("SELECT count(*) FROM orca.reconcile_run WHERE state = 'succeeded'") == 1
        await self.nothing_is_left()
        return job

    async def is_void(self, message: str) -> Job:
        """See that the job ended in error for that reason, without any report, and that nothing is left of it."""
        job = await self.look()
        assert job.status == "error"
        assert message in str(job.error_message)
        assert await published(self.database, self.job.id) == NOTHING
        assert await self.do("SELECT count(*) FROM orca.reconcile_report") == 0
        await self.nothing_is_left()
        return job

    async def nothing_is_left(self) -> None:
        """See that runners that have gone left no lock, table, session or file; PostgreSQL may need a moment to see it."""
        assert await self.do(UNBALANCED) == 0
        connection = await asyncpg.connect(self.database.url, server_settings={"application_name": TEST})
        try:
            until = time.monotonic() + 10
            while (left := await connection.fetchval(LEFT_BEHIND, timeout=10)) and time.monotonic() < until:
                await asyncio.sleep(0.05)
        finally:
            await connection.close()
        assert left == ""
        assert [path.relative_to(self.settings.spool) for path in self.settings.spool.rglob("*")] == []
