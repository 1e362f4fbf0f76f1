"""Writes small inventories, row by row, and runs their jobs."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

from app.db.engine import Database
from app.jobs.model import Job
from app.jobs.requests import submit
from app.jobs.runner import Runner
from app.jobs.store import get_job
from app.settings import Settings

SCHEMA = (
    "Bucket",
    "Key",
    "VersionId",
    "IsLatest",
    "IsDeleteMarker",
    "Size",
    "LastModifiedDate",
    "ETag",
    "StorageClass",
)
ETAG = "d41d8cd98f00b204e9800998ecf8427e"


def row(key: str, **other: str) -> list[str]:
    values = {
        "Bucket": "orca-archive",
        "Key": key,
        "VersionId": "",
        "IsLatest": "true",
        "IsDeleteMarker": "false",
        "Size": "0",
        "LastModifiedDate": "2020-01-01T00:00:00.000Z",
        "ETag": ETAG,
        "StorageClass": "GLACIER",
        **other,
    }
    return [values[column] for column in SCHEMA]


def write(
    folder: Path, *data_files: list[list[str]], created: int = 1715043600000, bucket: str = "orca-archive"
) -> str:
    """Write a bucket's inventory of CSV files, and give its manifest's URL."""
    listed = []
    for number, rows in enumerate(data_files):
        lines = "".join(",".join(f'"{value}"' for value in values) + "\n" for values in rows)
        raw = gzip.compress(lines.encode())
        path = folder / f"{created}" / f"part-{number}.csv.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(raw)
        listed.append({"key": path.name, "size": len(raw), "MD5checksum": hashlib.md5(raw).hexdigest()})  # noqa: S324
    manifest = folder / f"{created}" / "manifest.json"
    manifest.write_text(
        json.dumps(
            {
                "sourceBucket": bucket,
                "destinationBucket": "arn:aws:s3:::reports",
                "version": "2016-11-30",
                "creationTimestamp": str(created),
                "fileFormat": "CSV",
                "fileSchema": ", ".join(SCHEMA),
                "files": listed,
            }
        )
    )
    return manifest.as_uri()


async def look(database: Database, job: Job) -> Job:
    async with database.reading() as connection:
        return await get_job(connection, job.id)


async def run(database: Database, settings: Settings, url: str, **how: Any) -> Job:
    job, queued = await submit(database, settings, manifest_url=url, **how)
    assert queued
    assert await Runner(database, settings).work_once()
    return await look(database, job)
