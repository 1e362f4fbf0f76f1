"""Retention: jobs and reports that are older than the settings keep are purged, a little at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog

from app.db.engine import Database
from app.db.queries import Queries
from app.db.retry import may_pass

SQL = Queries("app.jobs", "retention.sql")
ROWS_AT_A_TIME = 20_000
INTERVAL_S = 3600.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Expired:
    """A job that is old enough to go."""

    id: int
    orca_archive_location: str
    inventory_creation_time: datetime


async def expired(database: Database, days: int) -> list[Expired]:
    """Find the jobs that nobody has touched for `days`, and that nothing needs any more."""
    async with database.reading() as connection:
        rows = await connection.execute(SQL["expired"], {"days": days})
        return [Expired(*row) for row in rows]


async def purge(database: Database, days: int) -> list[Expired]:
    """Delete the expired jobs with their reports, and give those that were; none while another replica is at it.

    A job's reports are withdrawn first, at once; the rows go in small transactions.
    """
    async with database.reading() as connection:
        if not (await connection.execute(SQL["only_one"])).scalar_one():
            return []
        try:
            return [job for job in await expired(database, days) if await _delete(database, job.id)]
        finally:
            await connection.execute(SQL["release"])


async def keep_purging(database: Database, days: int) -> None:
    """Purge every hour until cancelled."""
    while True:
        try:
            gone = await purge(database, days)
            if gone:
                log.info("purged", jobs=[job.id for job in gone])
        except Exception as error:
            if not may_pass(error):
                log.exception("purging failed")
        await asyncio.sleep(INTERVAL_S)


async def _delete(database: Database, job_id: int) -> bool:
    """Delete one job; tell whether it could be, since somebody may just have asked to run it again."""
    async with database.transaction() as connection:
        if (await connection.execute(SQL["withdraw"], {"job_id": job_id})).one_or_none() is None:
            return False
    for report in ("some_phantoms", "some_orphans", "some_mismatches"):
        deleted = ROWS_AT_A_TIME
        while deleted == ROWS_AT_A_TIME:
            async with database.transaction() as connection:
                result = await connection.execute(SQL[report], {"job_id": job_id, "rows": ROWS_AT_A_TIME})
                deleted = result.rowcount
    async with database.transaction() as connection:
        await connection.execute(SQL["job"], {"job_id": job_id})
    return True
