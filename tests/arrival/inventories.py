"""Writes manifests as S3 delivers them; their inventories are empty, since nobody works on them here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import obstore
from obstore.store import S3Store
from sqlalchemy import text

from app.arrival.destination import dated
from app.db.engine import Database

REPORT = "reports/orca-archive/daily"


def day(number: int) -> datetime:
    """Give a day of May 2024, at one o'clock."""
    return datetime(2024, 5, number, 1, tzinfo=UTC)


def manifest(created: datetime, *, source: str = "orca-archive") -> bytes:
    """Write a manifest's bytes."""
    return json.dumps(
        {
            "sourceBucket": source,
            "destinationBucket": "arn:aws:s3:::inventory",
            "version": "2016-11-30",
            "creationTimestamp": str(round(created.timestamp() * 1000)),
            "fileFormat": "CSV",
            "fileSchema": "Bucket, Key",
            "files": [],
        }
    ).encode()


def checksum(raw: bytes) -> bytes:
    """Write the checksum of a manifest, with the newline that S3 ends it with."""
    return hashlib.md5(raw).hexdigest().encode() + b"\n"  # noqa: S324  (as S3 does)


def deliver(
    root: Path, created: datetime, *, report: str = REPORT, source: str = "orca-archive", check: bool = True
) -> str:
    """Write a manifest and its checksum under a folder, and give the manifest's URL."""
    folder = root / report / dated(created)
    folder.mkdir(parents=True, exist_ok=True)
    raw = manifest(created, source=source)
    (folder / "manifest.json").write_bytes(raw)
    if check:
        (folder / "manifest.checksum").write_bytes(checksum(raw))
    return (folder / "manifest.json").as_uri()


@dataclass(frozen=True)
class Bucket:
    """A bucket to which the tests deliver."""

    name: str
    store: S3Store

    async def put(self, key: str, raw: bytes = b"") -> None:
        await obstore.put_async(self.store, key, raw)

    async def deliver(self, created: datetime, *, report: str = REPORT, source: str = "orca-archive") -> str:
        """Write a manifest and its checksum, and give the manifest's key."""
        folder = f"{report}/{dated(created)}"
        raw = manifest(created, source=source)
        await self.put(f"{folder}/manifest.json", raw)
        await self.put(f"{folder}/manifest.checksum", checksum(raw))
        return f"{folder}/manifest.json"


async def taken_in(database: Database) -> list[str]:
    """Give the URLs of all manifests that have a job, in the order of their jobs."""
    async with database.reading() as connection:
        rows = await connection.execute(text("SELECT manifest_url FROM orca.reconcile_manifest ORDER BY job_id"))
        return list(rows.scalars())
