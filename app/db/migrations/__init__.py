"""Alembic migrations: make the schema on an empty database, adopt ORCA's where it is.

`upgrade` is what `orca-reconcile migrate` runs. The version is kept in `orca.reconcile_service_version`, beside
ORCA's own `schema_versions`, which we neither trust nor touch.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text

from app.db.engine import Database
from app.db.unready import NOT_MIGRATED
from app.errors import DatabaseNotReady

SCHEMA = "orca"
VERSION_TABLE = "reconcile_service_version"
SERVER = """
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int / 10000 AS major
"""
OLDEST_POSTGRESQL = 14
"""Older ones read the whole table for each range of its pages, and ours are read in thousands of them."""

NEWER = "The database is at a version that this program does not know: use the newer program that migrated it."


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("app.db.migrations")))
    config.set_main_option("path_separator", "os")
    return config


def run_script(connection: Connection, name: str) -> None:
    """Execute a whole file of `app/db/migrations/sql`, statement after statement, in the open transaction."""
    script = (files("app.db.migrations") / "sql" / name).read_text(encoding="utf-8")
    # SQLAlchemy prepares what it executes, and PostgreSQL prepares one statement at a time: the driver takes them all.
    dbapi_connection = connection.connection.dbapi_connection
    assert dbapi_connection is not None  # noqa: S101  (a connection that is in a transaction has one)
    dbapi_connection.run_async(lambda driver: driver.execute(script))


async def upgrade(database: Database) -> None:
    """Bring the database to the newest version, in one transaction that waits its turn behind another migrator.

    Raises `DatabaseNotReady` where PostgreSQL is older than `OLDEST_POSTGRESQL`, or the database newer than this code.
    """
    config = _config()

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise DatabaseNotReady(NEWER) from error

    async with database.transaction() as connection:
        server = (await connection.execute(text(SERVER))).one()
        if server.major < OLDEST_POSTGRESQL:
            raise DatabaseNotReady(
                f"This is PostgreSQL {server.version}, and {OLDEST_POSTGRESQL} is the oldest that will do."
            )
        await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('orca-reconcile migrate', 0))"))
        await connection.run_sync(run)


async def require_migrated(database: Database) -> None:
    """See that the database is at the version that this code was written for. Raises `DatabaseNotReady`."""

    def current(connection: Connection) -> str | None:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "version_table_schema": SCHEMA}
        )
        return context.get_current_revision()

    async with database.engine.connect() as connection:
        version = await connection.run_sync(current)
    head, *older = _versions()
    if version in (None, *older):
        raise DatabaseNotReady(NOT_MIGRATED)
    if version != head:
        raise DatabaseNotReady(NEWER)


@cache
def _versions() -> list[str]:
    """Give the versions that this code knows, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]
