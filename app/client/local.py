"""The service on the local database, asked without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson

from app.api.change_shapes import page_body
from app.api.job_shapes import JobAnswer, SubmitRequest
from app.client.service import PAGE, Compare
from app.db.engine import Database
from app.db.migrations import require_migrated
from app.db.opening import open_database
from app.errors import JobEnded
from app.jobs import requests, store
from app.jobs.feed import Feed
from app.jobs.model import JobStatus
from app.jobs.runner import Runner
from app.reports.changes import Wanted, read_changes
from app.reports.exports import open_export
from app.reports.findings import KINDS
from app.reports.pages import Report
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class LocalService:
    """Asks the database of the settings; open it with `async with LocalService.on(settings) as service`."""

    database: Database
    settings: Settings
    works: bool

    @classmethod
    @asynccontextmanager
    async def on(cls, settings: Settings, *, work: bool = False) -> AsyncIterator[LocalService]:
        """Open the database for the length of the block, and `work` on jobs meanwhile if told so.

        Raises `DatabaseNotReady` where it is not migrated.
        """
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(open_database(settings))
            await require_migrated(database)
            if work:
                await stack.enter_async_context(Runner(database, settings))
            yield cls(database, settings, work)

    async def submit(self, asked: SubmitRequest) -> JobAnswer:
        """Submit a manifest."""
        job, _ = await requests.submit(self.database, self.settings, **asked.model_dump(by_alias=False))
        return JobAnswer.of(job)

    async def follow(self, job_id: int) -> AsyncGenerator[JobAnswer, None]:
        """Give each new state of the job until it has ended; cancelled where the work is done, cancel the job."""
        try:
            async for _, _, job in Feed(self.database).changes(job_id):
                yield JobAnswer.of(job)
        except asyncio.CancelledError:
            if self.works:
                with suppress(JobEnded):
                    await requests.cancel(self.database, job_id)
                async for _ in Feed(self.database).changes(job_id):
                    pass
            raise

    async def jobs(self, *, status: JobStatus | None, archive_location: str | None, limit: int) -> list[JobAnswer]:
        """List the newest jobs."""
        async with self.database.reading() as connection:
            jobs = await store.list_jobs(
                connection, status=status, archive_location=archive_location, limit=limit, after=None
            )
        return [JobAnswer.of(job) for job in jobs]

    async def findings(self, job_id: int, kind: str) -> AsyncGenerator[bytes, None]:
        """Give a whole report, of one state of the database."""
        export = await open_export(self.database, Report(KINDS[kind], job_id, self.settings.grace), "ndjson")
        async with aclosing(export.data) as chunks:
            async for lines in chunks:
                yield lines

    async def changes(self, asked: Compare, cursor: str | None) -> dict[str, Any]:
        """Compare two jobs."""
        wanted = asked.kind and Wanted(KINDS[asked.kind], asked.change, asked.min_jobs, PAGE, cursor)
        compared = await read_changes(
            self.database, asked.job_id, grace=self.settings.grace, against=asked.against, wanted=wanted or None
        )
        answer: dict[str, Any] = orjson.loads(page_body(compared))
        return answer
