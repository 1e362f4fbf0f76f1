"""Connections for the few statements that are asked all the time: planned once, and sent without a detour.

A page of findings takes PostgreSQL half a millisecond. Planning it anew each time would cost half as much again, and
what SQLAlchemy and a general pool do for a statement of any kind more than the rest of the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import asyncpg
from sqlalchemy import TextClause
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from app.db.connecting import connect
from app.db.retry import may_pass

CONNECTIONS = 4
Plans = Literal["force_generic_plan", "force_custom_plan"]
STATEMENT_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as asyncpg takes it: `$1`, `$2`, and the names of the values that stand for them, in order."""

    sql: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, statement: TextClause) -> Prepared:
        """Translate a named statement."""
        compiled = statement.compile(dialect=dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
        return cls(compiled.string, tuple(compiled.positiontup or ()))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads few rows at once; open one with `async with Reader.at(url) as reader`.

    With generic plans, a statement is planned once, without knowing any value: for what is best served by one plan for
    all. With custom ones it is planned for its values each time, and parsed once: for what they decide.
    """

    url: str
    plans: Plans = "force_generic_plan"
    _idle: list[asyncpg.Connection] = field(default_factory=list)
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS))

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, plans: Plans = "force_generic_plan") -> AsyncIterator[Reader]:
        """Connect as often as there is need, and close at the end of the block."""
        reader = cls(url, plans)
        try:
            yield reader
        finally:
            for connection in reader._idle:
                await connection.close()

    async def rows(self, statement: Prepared, values: Mapping[str, object]) -> list[asyncpg.Record]:
        """Read the rows of a statement.

        Connections that were lost while they were idle are replaced, unnoticed: reading twice does no harm.
        """
        arguments = [values[name] for name in statement.names]
        async with self._free:
            try:
                return await self._rows(statement.sql, arguments)
            except asyncpg.InternalClientError:
                # The server's word that it ends the connection came just when asyncpg was about to ask something of it.
                pass
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                if not may_pass(error):
                    raise
            while self._idle:
                self._idle.pop().terminate()
            return await self._rows(statement.sql, arguments)

    async def _rows(self, sql: str, arguments: list[object]) -> list[asyncpg.Record]:
        connection = await self._connection()
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
        except BaseException:
            # An error, a timeout or a caller who went away: what state it is in is not worth finding out.
            connection.terminate()
            raise
        self._idle.append(connection)
        return rows

    async def _connection(self) -> asyncpg.Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await connect(
            self.url,
            "orca-reconcile reader",
            plan_cache_mode=self.plans,
            # PostgreSQL's own: by one of the client's the statement would go on there, and be sent once more.
            statement_timeout=f"{STATEMENT_TIMEOUT_S}s",
        )
