"""The jobs that a soak asks for, whatever state PostgreSQL is in, and whether they have found what they had to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from sqlalchemy import text

from app.db.engine import Database
from app.db.retry import may_pass
from app.errors import JobEnded, JobRunning
from app.jobs.model import EngineChoice
from app.jobs.requests import cancel, submit
from app.settings import Settings
from benchmarks.deliveries import Sample
from tests.support.archive import published

ONE_LIVE = """
    SELECT (
        SELECT job_id FROM orca.reconcile_run
        WHERE state IN ('queued', 'running') AND job_id = ANY (:known) ORDER BY random() LIMIT 1
    )
"""

Given = TypeVar("Given")


async def until_given(ask: Callable[[], Awaitable[Given]]) -> Given:
    """Ask again until PostgreSQL answers, and no cancellation is under way."""
    while True:
        try:
            return await ask()
        except JobRunning:
            pass
        except Exception as error:
            if not may_pass(error):
                raise
        await asyncio.sleep(0.2)


@dataclass
class Delivery:
    """What a job was submitted with, and the archive location that says what it has to find."""

    sample: Sample
    url: str
    engine: EngineChoice


@dataclass
class Asked:
    """Jobs that were submitted, by their ids."""

    database: Database
    settings: Settings
    deliveries: dict[int, Delivery] = field(default_factory=dict)

    async def value(self, statement: str, **values: object) -> int:
        """Ask the database for one number, again until it answers; 0 for NULL."""

        async def ask() -> int:
            async with self.database.reading() as connection:
                return int((await connection.execute(text(statement), values)).scalar_one() or 0)

        return await until_given(ask)

    async def submit(self, delivery: Delivery, *, rerun: bool = False) -> None:
        """Submit a manifest until that has worked: the same one twice is one job."""
        asking = partial(submit, manifest_url=delivery.url, engine=delivery.engine, rerun=rerun)
        job, _ = await until_given(partial(asking, self.database, self.settings))
        self.deliveries[job.id] = delivery

    async def cancel_and_submit(self, pause: float) -> None:
        """Cancel a job that is queued or running, and submit it again before or after that has ended it."""
        job_id = await self.value(ONE_LIVE, known=list(self.deliveries))
        if not job_id:
            return
        try:
            with suppress(JobEnded):
                await until_given(partial(cancel, self.database, job_id))
            await asyncio.sleep(pause)
        finally:  # the end of the soak must not leave it cancelled
            await self.submit(self.deliveries[job_id], rerun=True)

    async def wrong(self) -> list[int]:
        """Give the jobs whose reports are not the expected ones."""
        wrong = []
        for job_id, delivery in self.deliveries.items():
            found, expected = await published(self.database, job_id), delivery.sample.expected
            if (found.phantoms, found.orphans, found.mismatches) != (
                set(expected.phantoms),
                set(expected.orphans),
                dict(expected.mismatches),
            ):
                wrong.append(job_id)
        return wrong
