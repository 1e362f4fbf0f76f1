"""How the catalog of an archive location is read: in passing through the whole table, or by an index where it is a small part."""

from __future__ import annotations

from sqlalchemy import text

from app.catalog.read import Catalog
from app.db.engine import Database
from tests.strategies import AWKWARD
from tests.support.archive import catalog_file, insert_catalog
from tests.support.postgres import Server
from tests.support.table import whole

LARGE, SMALL = "large-archive", "it's small"
FILL = """
    INSERT INTO orca.files (granule_id, name, orca_archive_location, cumulus_archive_location, key_path, ingest_time, etag,
                            version, size_in_bytes, storage_class_id)
    SELECT granules.id, 'f', :bucket, 'cumulus', 'folder/' || i, now(), '"' || md5(i::text) || '"', '', i, 1
    FROM generate_series(1, :rows) AS i CROSS JOIN orca.granules
"""
ROWS = 20_000


async def test_a_small_part_of_the_table_is_found_by_an_index(server: Server) -> None:
    async with server.fresh() as name:
        database = Database.at(server.url(name))
        try:
            await insert_catalog(database, [catalog_file(key, archive_location=SMALL) for key in AWKWARD])
            async with database.transaction() as connection:
                await connection.execute(text(FILL), {"bucket": LARGE, "rows": ROWS})

            keys, plans = await _read(database, SMALL)
            assert keys == sorted(AWKWARD)
            assert all("Tid Range Scan" in plan for plan in plans), "nobody knows yet how small a part it is"

            async with database.transaction() as connection:
                await connection.execute(text("ANALYZE orca.files"))
            keys, plans = await _read(database, SMALL)
            assert keys == sorted(AWKWARD)
            assert all("unique_orca_archive_location_key_path" in plan and "Seq Scan" not in plan for plan in plans), (
                plans
            )

            keys, plans = await _read(database, LARGE)
            assert keys == sorted(f"folder/{number}" for number in range(1, ROWS + 1))
            assert len(plans) > 1
            assert all("Tid Range Scan" in plan for plan in plans), plans

            keys, plans = await _read(database, "nobody's")
            assert keys == []
        finally:
            await database.dispose()


async def _read(database: Database, archive_location: str) -> tuple[list[str], list[str]]:
    """Give the keys that are read, and the plan of each statement that read them."""
    async with database.snapshot() as connection:
        catalog = await Catalog.under(connection, database.url, archive_location)
        table = await whole(catalog.files)
        plans = [
            "\n".join((await connection.exec_driver_sql(f"EXPLAIN {statement}")).scalars())
            for statement in catalog.files.statements
        ]
    return sorted(table.column("key_path").to_pylist()), plans
