"""Deleting a job: its reports are withdrawn at once, its rows go a little at a time, and then the job.

Whoever is cut off in between has made progress: the job says so, and deleting it again goes on where that ended.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Database
from app.db.queries import Queries

SQL = Queries("app.jobs", "deletion.sql")
WITHDRAWN = "It is being deleted, and has no reports any more. If it stays, delete it again."
"""By which everybody knows such a job; a service that looks for what has expired finishes it, whatever its age."""
ROWS_AT_A_TIME = 20_000


async def withdraw(connection: AsyncConnection, job_id: int) -> None:
    """Take a job's reports away; the caller holds the job, and has seen that nothing is queued or running."""
    await connection.execute(SQL["withdraw"], {"job_id": job_id, "withdrawn": WITHDRAWN})


async def delete_withdrawn(database: Database, job_id: int, archive_location: str) -> bool:
    """Delete a withdrawn job in small transactions; tell whether it is gone, since anyone may have it run meanwhile.

    Each transaction holds the job while it deletes, so that what a new run publishes stays whole.
    """
    for step in ("some_phantoms", "some_orphans", "some_mismatches", "some_staged", "job"):
        values = {"job_id": job_id, "archive_location": archive_location, "rows": ROWS_AT_A_TIME}
        deleted = ROWS_AT_A_TIME
        while deleted == ROWS_AT_A_TIME:
            async with database.transaction() as connection:
                held = await connection.execute(SQL["hold"], {"job_id": job_id, "withdrawn": WITHDRAWN})
                withdrawn = held.scalar_one_or_none()
                if not withdrawn:
                    return withdrawn is None
                deleted = (await connection.execute(SQL[step], values)).rowcount
    return True
