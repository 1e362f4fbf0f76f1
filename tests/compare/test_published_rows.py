"""Every column of the three reports holds what its side says, and the reports of other jobs stay as they are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.settings import Settings
from tests.support.archive import catalog_file, insert_catalog
from tests.support.little_memory import IN_LITTLE_MEMORY, chosen
from tests.support.manifests import row, run, write

REPORTS = ("reconcile_phantom_report", "reconcile_orphan_report", "reconcile_catalog_mismatch_report")
GONE = datetime(2020, 1, 1, tzinfo=UTC)
OURS = datetime(2020, 2, 2, tzinfo=UTC)
STRAY = datetime(2020, 3, 3, tzinfo=UTC)
THEIRS = datetime(2020, 4, 4, tzinfo=UTC)

FILES = [
    catalog_file(
        "in/gone",
        etag='"e1"',
        size=1,
        storage_class="DEEP_ARCHIVE",
        last_update=GONE,
        collection="MOD14___006",
        granule="MOD14.A1",
    ),
    catalog_file(
        "in/both",
        etag='"e2"',
        size=2,
        storage_class="DEEP_ARCHIVE",
        last_update=OURS,
        collection="MYD11___061",
        granule="MYD11.A2",
    ),
]
OBJECTS = [
    row("in/stray", ETag="e3", Size="3", StorageClass="ONEZONE_IA", LastModifiedDate="2020-03-03T00:00:00.000Z"),
    row("in/both", ETag="e4", Size="4", StorageClass="STANDARD", LastModifiedDate="2020-04-04T00:00:00.000Z"),
]


async def rows(database: Database, job_id: int) -> list[tuple[Any, ...]]:
    async with database.reading() as connection:
        found = [
            await connection.execute(text(f"SELECT * FROM orca.{report} WHERE job_id = :job"), {"job": job_id})
            for report in REPORTS
        ]
    return [tuple(each) for result in found for each in result]


@pytest.mark.parametrize("engine", ["postgres", "duckdb", IN_LITTLE_MEMORY])
async def test_they_are_written_whole(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    await insert_catalog(database, FILES)
    job = await run(database, settings, write(tmp_path, OBJECTS), engine=chosen(engine, monkeypatch))
    phantom = ("MOD14___006", "MOD14.A1", "name of in/gone", "in/gone", '"e1"', GONE, 1, 2)
    orphan = ("in/stray", '"e3"', STRAY, 3, "ONEZONE_IA")
    mismatch = (
        *("MYD11___061", "MYD11.A2", "name of in/both", "in/both", "cumulus of orca-archive", '"e2"', '"e4"'),
        *(OURS, THEIRS, 2, 4, 2, "STANDARD", "etag, size_in_bytes, storage_class"),
    )
    assert await rows(database, job.id) == [(job.id, *found) for found in (phantom, orphan, mismatch)]


async def test_a_job_that_runs_again_replaces_its_own_alone(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    await insert_catalog(database, FILES)
    url = write(tmp_path, OBJECTS)
    await run(database, settings, url)
    other = await run(database, settings, write(tmp_path, OBJECTS, created=1715130000000))
    before = await rows(database, other.id)
    await run(database, settings, url, rerun=True)
    assert len(before) == len(REPORTS)
    assert await rows(database, other.id) == before
