"""What happens to a job, as it happens, for any number of listeners at the price of one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Literal

from app.db.engine import Database
from app.jobs.model import Job
from app.jobs.store import get_job

INTERVAL_S = 0.5

Change = Literal["status", "progress"]


class Feed:
    """Looks at jobs in the database, each at most twice a second however many listen, from any replica."""

    def __init__(self, database: Database) -> None:
        self.closed = False
        """Set, from anywhere, it ends what listeners are given: the process stops, and another one may go on."""
        self._database = database
        self._seen: dict[int, tuple[float, Job]] = {}
        self._looking: dict[int, asyncio.Lock] = {}

    async def changes(self, job_id: int, last_event_id: str | None = None) -> AsyncIterator[tuple[Change, str, Job]]:
        """Give each new state of the job with the event's id, until it has ended or the feed is closed.

        A listener that names the last event it had is not told the same again. Raises `NoSuchJob`, also when the job is
        deleted meanwhile.
        """
        status_told, progress_told = _told(last_event_id)
        while True:
            job = await self._look(job_id)
            status, progress = _status(job), _progress(job)
            if status != status_told:
                status_told = status
                yield "status", f"{status}|{progress}", job
            elif progress not in (progress_told, ""):
                yield "progress", f"{status}|{progress}", job
            progress_told = progress
            if job.ended or self.closed:
                return
            await asyncio.sleep(INTERVAL_S)

    async def _look(self, job_id: int) -> Job:
        lock = self._looking.setdefault(job_id, asyncio.Lock())
        async with lock:
            at, job = self._seen.get(job_id, (float("-inf"), None))
            if job is None or time.monotonic() - at > INTERVAL_S / 2:
                try:
                    async with self._database.reading() as connection:
                        job = await get_job(connection, job_id)
                finally:
                    self._forget_the_ended()
                self._seen[job_id] = time.monotonic(), job
            return job

    def _forget_the_ended(self) -> None:
        """Keep no more than what is looked at now."""
        for job_id in [one for one, (at, _) in self._seen.items() if time.monotonic() - at > 10 * INTERVAL_S]:
            del self._seen[job_id]
            if not self._looking[job_id].locked():
                del self._looking[job_id]


def _status(job: Job) -> str:
    return f"{job.status}/{job.attempt or 0}/{'ended' if job.ended else 'live'}"


def _progress(job: Job) -> str:
    return f"{job.progress.phase}/{job.progress.done}" if job.progress else ""


def _told(last_event_id: str | None) -> tuple[str, str]:
    status, _, progress = (last_event_id or "").partition("|")
    return status, progress
