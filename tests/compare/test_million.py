"""A generated million in every format: the reports are the expected ones, and the same from S3 in little memory."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import obstore
import pytest
from sqlalchemy import text

from app.catalog.load import load_catalog
from app.compare import digests
from app.db.engine import Database
from app.jobs.model import EngineChoice
from app.samples.archive import CREATED
from app.samples.expected import Expected
from app.samples.generate import CATALOG, generate
from app.samples.manifest import DESTINATION
from app.samples.plan import FORMATS
from app.settings import Settings
from tests.support.archive import published
from tests.support.little_memory import IN_LITTLE_MEMORY, chosen
from tests.support.manifests import run
from tests.support.seaweed import Seaweed

FILES = 1_000_000
FINDINGS = 0.0105  # a third of each kind
SEED = 20260601
BUCKET = DESTINATION.rpartition(":")[2]
TABLES = (
    "reconcile_phantom_report",
    "reconcile_orphan_report",
    "reconcile_catalog_mismatch_report",
    "reconcile_report_part",
)
DIFFERENT = """
    SELECT row FROM (
        (SELECT to_jsonb(one) - 'job_id' FROM orca.{table} AS one WHERE job_id = :one
         EXCEPT ALL SELECT to_jsonb(other) - 'job_id' FROM orca.{table} AS other WHERE job_id = :other)
        UNION ALL
        (SELECT to_jsonb(other) - 'job_id' FROM orca.{table} AS other WHERE job_id = :other
         EXCEPT ALL SELECT to_jsonb(one) - 'job_id' FROM orca.{table} AS one WHERE job_id = :one)
    ) AS found (row) LIMIT 5
"""


async def deliver(seaweed: Seaweed, folder: Path, file_format: str) -> str:
    """Put an inventory into S3 as its manifest lists it, give the manifest's URL, and remove it from the disk."""
    store = seaweed.bucket(BUCKET)
    inventory = folder / "inventory"
    for path in sorted((inventory / "data").iterdir()):
        await obstore.put_async(store, f"inventory/data/{path.name}", path)
        path.unlink()
    for name in ("manifest.json", "manifest.checksum"):
        await obstore.put_async(store, f"inventory/{file_format}/{name}", inventory / name)
    return f"s3://{BUCKET}/inventory/{file_format}/manifest.json"


def listed_once_more(folder: Path) -> str:
    """Put the manifest into another folder, since the same one is the same job; its data files are found from there too."""
    again = folder / "again"
    again.mkdir()
    for name in ("manifest.json", "manifest.checksum"):
        shutil.copy(folder / "inventory" / name, again / name)
    return (again / "manifest.json").as_uri()


async def withdraw(seaweed: Seaweed) -> None:
    """Remove from S3 what was delivered."""
    store = seaweed.bucket(BUCKET)
    async for batch in obstore.list(store, "inventory/"):
        await obstore.delete_async(store, [found["path"] for found in batch])


async def require_expected(database: Database, job_id: int, expected: Expected) -> None:
    """Hold the keys of the three reports, and why the mismatches are some, to what was put in."""
    found = await published(database, job_id)
    assert found.phantoms == set(expected.phantoms)
    assert found.orphans == set(expected.orphans)
    assert found.mismatches == expected.mismatches


async def require_same(database: Database, one: int, other: int) -> None:
    """Hold two jobs' reports, with all their columns and their roll-ups, to each other: row for row, both ways."""
    async with database.reading() as connection:
        for table in TABLES:
            statement = text(DIFFERENT.format(table=table))
            rows = await connection.execute(statement, {"one": one, "other": other})
            assert rows.scalars().all() == [], table


async def test_the_reports_of_a_million_are_the_same_from_any_store_in_any_format_by_any_engine(
    database: Database, settings: Settings, seaweed: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    allowed = (f"{tmp_path.as_uri()}/", f"s3://{BUCKET}/inventory/")
    settings = settings.model_copy(update={"manifest_prefixes": allowed})
    expected: Expected | None = None
    jobs: list[int] = []

    async def reconcile(url: str, engine: EngineChoice) -> None:
        job = await run(database, settings, url, engine=engine)
        assert (job.status, job.error_message, job.warnings) == ("success", None, [])
        assert (job.engine, job.inventory_creation_time) == (engine, CREATED)
        assert (job.catalog_files, job.inventory_objects) == (FILES, FILES)  # as many phantoms as orphans
        jobs.append(job.id)

    try:
        for file_format in FORMATS:
            folder = tmp_path / file_format
            made = await asyncio.to_thread(generate, FILES, folder, SEED, file_format, findings=FINDINGS)
            if expected is None:
                expected = made
                assert await load_catalog(database, folder / CATALOG) == FILES
            assert made == expected  # the same archive, whatever its inventory's format
            (folder / CATALOG).unlink()
            manifest = (folder / "inventory" / "manifest.json").as_uri()
            await reconcile(manifest, "duckdb")
            if file_format == "csv":
                await reconcile(listed_once_more(folder), "postgres")
            with monkeypatch.context() as little:
                little.setattr(digests, "MOST_FILES", FILES // 3)
                await reconcile(await deliver(seaweed, folder, file_format), chosen(IN_LITTLE_MEMORY, little))
    finally:
        await withdraw(seaweed)

    assert expected is not None
    assert expected.totals == {"phantom": 3500, "orphan": 3500, "catalogMismatch": 3500}
    assert len(set(jobs)) == 7
    await require_expected(database, jobs[0], expected)
    for other in jobs[1:]:
        await require_same(database, jobs[0], other)
    assert list(settings.spool.rglob("*")) == []
