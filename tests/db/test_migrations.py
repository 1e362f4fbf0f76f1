from __future__ import annotations

from sqlalchemy import text

from app.db.engine import Database
from app.db.migrations import is_migrated, upgrade


async def test_a_fresh_database_is_migrated(database: Database) -> None:
    assert await is_migrated(database)


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await upgrade(database)
    async with database.reading() as connection:
        values = await connection.execute(text("SELECT value FROM orca.reconcile_status ORDER BY id"))
        assert list(values.scalars()) == ["getting S3 list", "staged", "generating reports", "error", "success"]
