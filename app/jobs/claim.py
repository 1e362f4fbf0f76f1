"""Claiming a run, and holding it for as long as this process's connection lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from sqlalchemy import RowMapping
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Database
from app.db.queries import Queries
from app.inventory.locations import Prefixes, parse_location
from app.jobs.model import Run

SQL = Queries("app.jobs", "runs.sql")
ANSWER_S = 2.0  # of the 10 s in which a runner stops
LEFT_TO_OTHERS = timedelta(minutes=10)  # after which a job that nobody has done had better fail than wait for ever


@asynccontextmanager
async def claimed(database: Database, prefixes: Sequence[str] | None = None) -> AsyncIterator[Run | None]:
    """Claim the next run for the length of the block; None when there is nothing to do.

    With `prefixes`, a run whose manifest lies outside them is left to others for the first minutes: whoever has
    submitted it may read it, and may be about to do the work itself.

    The run is alive while this block's own connection holds its advisory lock, so that a runner which dies leaves it
    free the moment PostgreSQL sees its connection gone.
    """
    async with database.reading() as connection:
        row = await _claim(connection, prefixes)
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


async def _readable(connection: AsyncConnection, prefixes: Sequence[str]) -> list[int]:
    """Find the runs of the first minutes whose manifests lie under the prefixes."""
    allowed = Prefixes(prefixes)
    rows = await connection.execute(SQL["manifests"], {"lately": LEFT_TO_OTHERS})
    return [row.id for row in rows if allowed.admit(parse_location(row.manifest_url))]


async def _claim(connection: AsyncConnection, prefixes: Sequence[str] | None) -> RowMapping | None:
    """Claim a run, and hear which even when the caller is cancelled meanwhile: else nobody would hand it back.

    The cancellation then comes at the caller's next `await`.
    """

    async def claim() -> RowMapping | None:
        readable = None if prefixes is None else await _readable(connection, prefixes)
        values = {"lately": LEFT_TO_OTHERS, "readable": readable}
        try:
            return (await connection.execute(SQL["claim"], values)).mappings().one_or_none()
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
