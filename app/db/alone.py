"""Work that one replica at a time does for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LOCK = text("SELECT pg_try_advisory_lock(hashtextextended('orca-reconcile ' || :work, 0))")
RELEASE = text("SELECT pg_advisory_unlock(hashtextextended('orca-reconcile ' || :work, 0))")


@asynccontextmanager
async def alone(connection: AsyncConnection, work: str) -> AsyncIterator[bool]:
    """Tell whether nobody else is at this work, and keep the others from it for the length of the block.

    The lock goes with the connection, whatever becomes of this process.
    """
    mine: bool = (await connection.execute(LOCK, {"work": work})).scalar_one()
    try:
        yield mine
    finally:
        if mine:
            await connection.execute(RELEASE, {"work": work})
