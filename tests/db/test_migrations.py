from __future__ import annotations

import pytest
from sqlalchemy import text

from app.db import migrations
from app.db.engine import Database
from app.db.migrations import is_migrated, upgrade
from app.errors import DatabaseNotReady


async def test_a_fresh_database_is_migrated(database: Database) -> None:
    assert await is_migrated(database)


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await upgrade(database)
    async with database.reading() as connection:
        values = await connection.execute(text("SELECT value FROM orca.reconcile_status ORDER BY id"))
        assert list(values.scalars()) == ["getting S3 list", "staged", "generating reports", "error", "success"]


async def test_a_postgresql_that_is_too_old_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with database.reading() as connection:
        version = (await connection.execute(text("SHOW server_version"))).scalar_one()
    monkeypatch.setattr(migrations, "OLDEST_POSTGRESQL", 99)
    with pytest.raises(DatabaseNotReady, match=f"This is PostgreSQL {version}, and 99 is the oldest"):
        await upgrade(database)
