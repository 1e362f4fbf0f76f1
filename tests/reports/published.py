"""Puts reports straight into the tables, as a publish leaves them, or ORCA."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from app.compare.summary import summarise
from app.db.engine import Database
from app.inventory.manifest import COMPARABLE

CREATED = datetime(2024, 6, 1, tzinfo=UTC)
BEFORE = datetime(2024, 5, 20, 12, 30, 15, 123_999, tzinfo=UTC)
CREATED_MS = 1717200000000
HOUR_MS = 3_600_000
BEFORE_MS = 1716208215123

PHANTOM = text("""
    INSERT INTO orca.reconcile_phantom_report
    VALUES (:job_id, :collection_id, :granule_id, :filename, :key_path, :orca_etag, :catalog_time, :size, :class_id)
""")
ORPHAN = text("""
    INSERT INTO orca.reconcile_orphan_report VALUES (:job_id, :key_path, :s3_etag, :s3_time, :size, :s3_storage_class)
""")
MISMATCH = text("""
    INSERT INTO orca.reconcile_catalog_mismatch_report
    VALUES (:job_id, :collection_id, :granule_id, :filename, :key_path, 'cumulus-protected', :orca_etag, :s3_etag,
            :catalog_time, :s3_time, CAST(:size AS int8), CAST(:size AS int8) + 1, :class_id, :s3_storage_class, :discrepancy)
""")
TABLES = {"phantoms": PHANTOM, "orphans": ORPHAN, "mismatches": MISMATCH}


@dataclass(frozen=True)
class Row:
    """A finding of whatever kind; each table takes of it what it has a column for."""

    key_path: str
    collection_id: str = "MOD09GQ___006"
    granule_id: str = "MOD09GQ.A1"
    filename: str = "a.hdf"
    orca_etag: str = '"aaa"'
    s3_etag: str = '"bbb"'
    catalog_time: datetime = BEFORE
    s3_time: datetime = BEFORE
    size: int = 10
    class_id: int = 1
    s3_storage_class: str = "GLACIER"
    discrepancy: str = "etag, size_in_bytes"


async def add_job(
    database: Database, *, status: int = 5, bucket: str = "orca-archive", created: datetime = CREATED
) -> int:
    """Put a job into the table that began an hour after its inventory was made, changed after two, and ended after three."""
    async with database.transaction() as connection:
        job_id = await connection.scalar(
            text("""
                INSERT INTO orca.reconcile_job (
                    orca_archive_location, status_id, inventory_creation_time, start_time, last_update, end_time
                ) VALUES (
                    :bucket, CAST(:status AS int2), CAST(:created AS timestamptz), :created + interval '1 hour',
                    :created + interval '2 hours', CASE WHEN :status IN (4, 5) THEN :created + interval '3 hours' END
                )
                RETURNING id
            """),
            {"bucket": bucket, "status": status, "created": created},
        )
    assert isinstance(job_id, int)
    return job_id


async def add_rows(database: Database, job_id: int, kind: str, rows: Iterable[Row]) -> None:
    values: list[dict[str, Any]] = [{"job_id": job_id, **asdict(row)} for row in rows]
    wanted = TABLES[kind]._bindparams
    async with database.transaction() as connection:
        for row in values:
            await connection.execute(TABLES[kind], {name: row[name] for name in wanted})


async def publish(
    database: Database, job_id: int, pending_from: datetime = CREATED, compared_fields: Sequence[str] = COMPARABLE
) -> None:
    """Do what a publish does after the three reports are written."""
    async with database.transaction() as connection:
        await summarise(
            connection,
            job_id=job_id,
            engine="duckdb",
            pending_from=pending_from,
            inventory_objects=7,
            catalog_files=8,
            compared_fields=compared_fields,
            warnings=["a warning"],
        )
