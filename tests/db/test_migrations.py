from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from app.db import migrations
from app.db.engine import Database
from app.db.migrations import require_migrated, upgrade
from app.errors import DatabaseNotReady
from app.jobs.runner import Runner
from app.settings import Settings
from tests.support import old_jobs
from tests.support.postgres import Server


async def test_a_fresh_database_is_migrated(database: Database) -> None:
    await require_migrated(database)


@pytest.mark.parametrize(
    ("version", "said"),
    [("'0001'", "run orca-reconcile migrate"), ("'9999'", "use the newer program"), (None, "migrate")],
)
async def test_at_another_version_nobody_is_ready_and_no_work_is_taken(
    database: Database, settings: Settings, version: str | None, said: str
) -> None:
    """A program of before a migration would fail the jobs of those after it."""
    job = await old_jobs.job(database, 1, status=3)
    await old_jobs.do(database, old_jobs.RUN, job=job)
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM orca.reconcile_service_version"))
        if version:
            await connection.execute(text(f"INSERT INTO orca.reconcile_service_version VALUES ({version})"))
    with pytest.raises(DatabaseNotReady, match=said):
        await require_migrated(database)
    with pytest.raises(DatabaseNotReady, match=said):
        await Runner(database, settings).work_once()
    assert await old_jobs.do(database, "SELECT attempt FROM orca.reconcile_run") == 0


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await upgrade(database)
    async with database.reading() as connection:
        values = await connection.execute(text("SELECT value FROM orca.reconcile_status ORDER BY id"))
        assert list(values.scalars()) == ["getting S3 list", "staged", "generating reports", "error", "success"]


async def test_several_who_migrate_at_once_take_turns(server: Server) -> None:
    async with server.fresh("template0") as name:
        databases = [Database.at(server.url(name)) for _ in range(3)]
        await asyncio.gather(*map(upgrade, databases))
        for database in databases:
            await require_migrated(database)
            await database.dispose()


async def test_a_postgresql_that_is_too_old_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with database.reading() as connection:
        version = (await connection.execute(text("SHOW server_version"))).scalar_one()
    monkeypatch.setattr(migrations, "OLDEST_POSTGRESQL", 99)
    with pytest.raises(DatabaseNotReady, match=f"This is PostgreSQL {version}, and 99 is the oldest"):
        await upgrade(database)
