"""Puts a catalog into the database and reads what a job has published, straight from the tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Database
from tests.oracle import CatalogFile, Findings

EMPTY = """
    TRUNCATE orca.reconcile_job, orca.files, orca.granules, orca.collections, orca.providers,
             orca.reconcile_phantom_report, orca.reconcile_orphan_report, orca.reconcile_catalog_mismatch_report CASCADE
"""
GRANULE = """
    INSERT INTO orca.granules (provider_id, collection_id, cumulus_granule_id, execution_id, ingest_time,
                               cumulus_create_time, last_update)
    VALUES ('provider', :collection, :granule, '', '2001-01-01Z', '2002-01-01Z', :time)
    ON CONFLICT (collection_id, cumulus_granule_id) DO UPDATE SET last_update = :time
"""
FILE = """
    INSERT INTO orca.files (granule_id, name, orca_archive_location, cumulus_archive_location, key_path, ingest_time, etag,
                            version, size_in_bytes, storage_class_id)
    SELECT granules.id, 'name of ' || :key, :bucket, 'cumulus of ' || :bucket, :key, '2003-01-01Z', :etag, '', :size, class.id
    FROM orca.granules, orca.storage_class AS class
    WHERE collection_id = :collection AND cumulus_granule_id = :granule AND class.value = :storage_class
"""


def catalog_file(key: str, **other: object) -> CatalogFile:
    """Make a file of the catalog of which only the key matters, or what is given."""
    values: dict[str, object] = {
        "etag": '"d41d8cd98f00b204e9800998ecf8427e"',
        "size": 0,
        "storage_class": "GLACIER",
        "last_update": datetime(2020, 1, 1, tzinfo=UTC),
        "collection": "MOD09GQ___061",
        "granule": "MOD09GQ.A2017025",
        "archive_location": "orca-archive",
        **other,
    }
    return CatalogFile(key=key, **values)  # type: ignore[arg-type]  # the test gives what the field takes


async def empty(database: Database) -> None:
    """Remove every job and the whole catalog."""
    async with database.transaction() as connection:
        await connection.execute(text(EMPTY))


async def insert_catalog(database: Database, files: Iterable[CatalogFile]) -> None:
    """Insert files with their granules, collections and provider."""
    async with database.transaction() as connection:
        await insert_files(connection, files)


async def insert_files(connection: AsyncConnection, files: Iterable[CatalogFile]) -> None:
    """Insert them in the caller's transaction."""
    rows = [
        {
            "key": file.key,
            "bucket": file.archive_location,
            "time": file.last_update,
            "etag": file.etag,
            "size": file.size,
            "storage_class": file.storage_class,
            "collection": file.collection,
            "granule": file.granule,
        }
        for file in files
    ]
    await connection.execute(text("INSERT INTO orca.providers VALUES ('provider', '') ON CONFLICT DO NOTHING"))
    for collection in {row["collection"] for row in rows}:
        values = {"collection": collection}
        insert = "INSERT INTO orca.collections VALUES (:collection, :collection, '') ON CONFLICT DO NOTHING"
        await connection.execute(text(insert), values)
    if rows:
        await connection.execute(text(GRANULE), rows)
        await connection.execute(text(FILE), rows)


async def published(database: Database, job_id: int) -> Findings:
    """Read a job's three reports, and what of them is pending by the time that was stored with them."""
    async with database.reading() as connection:

        async def rows(statement: str) -> list[tuple[str, str, bool]]:
            return [tuple(row) for row in await connection.execute(text(statement), {"job": job_id})]

        pending_from = "(SELECT pending_from FROM orca.reconcile_report WHERE job_id = :job)"
        phantoms = await rows(
            f"SELECT key_path, '', orca_last_update >= {pending_from} FROM orca.reconcile_phantom_report WHERE job_id = :job"
        )
        orphans = await rows(
            f"SELECT key_path, '', last_update >= {pending_from} FROM orca.reconcile_orphan_report WHERE job_id = :job"
        )
        mismatches = await rows(
            f"SELECT key_path, discrepancy_type, greatest(orca_last_update, s3_last_update) >= {pending_from} "
            "FROM orca.reconcile_catalog_mismatch_report WHERE job_id = :job"
        )
    return Findings(
        phantoms={key for key, _, _ in phantoms},
        orphans={key for key, _, _ in orphans},
        mismatches={key: kind for key, kind, _ in mismatches},
        pending_phantoms={key for key, _, pending in phantoms if pending},
        pending_orphans={key for key, _, pending in orphans if pending},
        pending_mismatches={key for key, _, pending in mismatches if pending},
    )
