"""One async engine over asyncpg, and the same database for the Arrow driver that moves rows in bulk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.db.connecting import connect


@dataclass(frozen=True)
class Database:
    """A PostgreSQL database: `url` as a person writes it (also what libpq takes), `engine` for everything small.

    asyncpg and libpq parse the URL themselves, so that `sslmode`, several hosts and socket folders mean what
    PostgreSQL's documentation says.
    """

    url: str
    engine: AsyncEngine

    @classmethod
    def at(cls, url: str, *, pool_size: int = 10, application_name: str = "orca-reconcile") -> Database:
        """Make the engine for `url`; nothing is connected yet."""
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=partial(connect, url, application_name),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=30,
            pool_pre_ping=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
        )
        return cls(url, engine)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        async with self.engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """One REPEATABLE READ transaction: every statement of the block sees the same state of the database."""
        async with self.engine.connect() as pooled:
            connection = await pooled.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection whose every statement stands alone: no BEGIN and no ROLLBACK travel with a read."""
        async with self.engine.connect() as connection:
            yield await connection.execution_options(isolation_level="AUTOCOMMIT")

    async def dispose(self) -> None:
        """Close the pool."""
        await self.engine.dispose()
