"""Retention: jobs and reports that are older than the settings keep are purged, a little at a time.

So is what a request began to delete and did not get done.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.alone import alone
from app.db.engine import Database
from app.db.queries import Queries
from app.jobs.deletion import WITHDRAWN, delete_withdrawn, withdraw
from app.jobs.reasons import unexplained
from app.jobs.store import lock_job

SQL = Queries("app.jobs", "retention.sql")
INTERVAL_S = 3600.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Expired:
    """A job that is old enough to go."""

    id: int
    orca_archive_location: str
    inventory_creation_time: datetime


async def expired(database: Database, days: int) -> list[Expired]:
    """Find the jobs that nobody has touched for `days` and that nothing needs any more, and those half deleted."""
    async with database.reading() as connection:
        return await _expired(connection, days)


async def purge(database: Database, days: int) -> list[Expired]:
    """Delete the expired jobs with their reports, and give those that were; none while another replica is at it."""
    async with database.reading() as connection, alone(connection, "purge") as ours:
        return [job for job in await expired(database, days) if await _delete(database, days, job)] if ours else []


async def keep_purging(database: Database, days: int) -> None:
    """Purge every hour until cancelled."""
    while True:
        try:
            gone = await purge(database, days)
            if gone:
                log.info("purged", jobs=[job.id for job in gone])
        except Exception as error:
            if unexplained(error):
                log.exception("purging failed")
        await asyncio.sleep(INTERVAL_S)


async def _expired(connection: AsyncConnection, days: int, job_id: int | None = None) -> list[Expired]:
    values = {"days": days, "job_id": job_id, "withdrawn": WITHDRAWN}
    rows = await connection.execute(SQL["expired"], values)
    return [Expired(*row) for row in rows]


async def _delete(database: Database, days: int, job: Expired) -> bool:
    """Delete one job; tell whether it is gone, since somebody may just have asked to run it again."""
    async with database.transaction() as connection:
        await lock_job(connection, job.id)
        if not await _expired(connection, days, job.id):
            return False
        await withdraw(connection, job.id)
    return await delete_withdrawn(database, job.id, job.orca_archive_location)
