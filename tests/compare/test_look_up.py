"""How the catalog's side of what is unequal is looked up: once, ahead of who waits for it, and wherever the ids lie."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.publish import SQL, look_up
from app.db.engine import Database
from tests.support.archive import catalog_file, empty, insert_files

IDS = (1, 2, 999_999, 1_000_000, 1_999_999, 7_000_000_000)
PLANNER = "SELECT name, setting FROM pg_settings WHERE name LIKE 'enable_%'"


async def with_files_at(connection: AsyncConnection, ids: tuple[int, ...]) -> None:
    """Give files and granules such ids, and take every second file for unequal."""
    await insert_files(connection, [catalog_file(f"key {number}", granule=f"granule {number}") for number in ids])
    for statement in (
        "ALTER TABLE orca.files DROP CONSTRAINT fk_granule_file",
        "UPDATE orca.files SET id = CAST(substr(key_path, 5) AS int8), granule_id = CAST(substr(key_path, 5) AS int8)",
        "UPDATE orca.granules SET id = CAST(substr(cumulus_granule_id, 9) AS int8)",
    ):
        await connection.execute(text(statement))
    await connection.execute(SQL["prepare"])
    await connection.execute(
        text("INSERT INTO unequal (file_id) SELECT unnest(CAST(:ids AS int8[]))"), {"ids": list(ids[::2])}
    )


async def test_each_file_is_found_with_its_granule(database: Database) -> None:
    await empty(database)
    async with database.engine.connect() as connection, connection.begin() as transaction:
        await with_files_at(connection, IDS)
        await look_up(connection)
        found = await connection.execute(
            text("""
                SELECT file.key_path, granule.cumulus_granule_id
                FROM unequal_file AS file JOIN unequal_granule AS granule ON granule.id = file.granule_id ORDER BY granule.id
            """)
        )
        assert [tuple(row) for row in found] == [(f"key {number}", f"granule {number}") for number in IDS[::2]]
        await transaction.rollback()


async def test_both_tables_are_read_ahead_and_the_planner_is_as_before(database: Database) -> None:
    await empty(database)
    async with database.engine.connect() as connection, connection.begin() as transaction:
        await with_files_at(connection, IDS)
        before = (await connection.execute(text(PLANNER))).all()
        await connection.execute(SQL["read_ahead"])
        plans = []
        for name in ("files", "granules"):
            plans.append("\n".join((await connection.execute(text(f"EXPLAIN {SQL[name].text}"))).scalars()))
            await connection.execute(SQL[name])
        await connection.execute(SQL["stop_reading_ahead"])
        assert (await connection.execute(text(PLANNER))).all() == before
        await transaction.rollback()
    files, granules = plans
    assert "Bitmap Heap Scan on files" in files
    assert "Bitmap Heap Scan on granules" in granules
