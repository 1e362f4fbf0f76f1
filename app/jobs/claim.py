"""Claiming a run, and holding it for as long as this process's connection lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy import RowMapping
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Database
from app.db.queries import Queries
from app.jobs.model import Run

SQL = Queries("app.jobs", "runs.sql")
ANSWER_S = 2.0  # of the 10 s in which a runner stops


@asynccontextmanager
async def claimed(database: Database) -> AsyncIterator[Run | None]:
    """Claim the next run for the length of the block; None when there is nothing to do.

    The run is alive while this block's own connection holds its advisory lock, so that a runner which dies leaves it
    free the moment PostgreSQL sees its connection gone.
    """
    async with database.reading() as connection:
        row = await _claim(connection)
        try:
            if row is None or not row["leased"]:
                yield None
            else:
                yield Run(**{name: row[name] for name in Run.__dataclass_fields__})
        finally:
            # The connection goes back to the pool, and must not keep the run alive from there. Where it is broken the
            # lock went with it.
            with suppress(DBAPIError, OSError):
                await connection.execute(SQL["release"])


async def _claim(connection: AsyncConnection) -> RowMapping | None:
    """Claim a run, and hear which even when the caller is cancelled meanwhile: else nobody would hand it back.

    The cancellation then comes at the caller's next `await`.
    """

    async def claim() -> RowMapping | None:
        try:
            return (await connection.execute(SQL["claim"])).mappings().one_or_none()
        except IntegrityError:
            return None  # another runner has just started a run of the same archive location

    claiming, caller = asyncio.create_task(claim()), asyncio.current_task()
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await claiming
        finally:
            if caller is not None:
                caller.cancel()
