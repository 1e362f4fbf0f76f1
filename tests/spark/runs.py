"""Submits an inventory and publishes its reports by the engine `spark`, as a runner does."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.engine import Comparison, Counted, Report
from app.compare.publish import publish
from app.compare.spark import SparkEngine
from app.compare.suspicion import Thresholds
from app.db.engine import Database
from app.inventory.storage import read_manifest
from app.jobs.requests import submit
from app.jobs.store import Status, set_status
from app.settings import Settings


def ignore(phase: str, done: int, total: int | None, unit: str) -> None:
    del phase, done, total, unit


def settings_for(folder: Path, *, grace_hours: float = 0) -> Settings:
    return Settings(
        data_dir=folder / "data", manifest_prefixes=(folder.as_uri() + "/",), grace_hours=grace_hours, workers=1
    )


async def engine_for(
    database: Database, remote: str, settings: Settings, manifest: Path, *, parts: int = 2, patience: float = 60
) -> SparkEngine:
    located = await read_manifest(manifest.as_uri(), settings.prefixes)
    return SparkEngine(
        remote,
        database.url,
        located,
        prefixes=settings.prefixes,
        spool=settings.spool,
        catalog_parts=parts,
        patience=patience,
    )


async def publish_by(
    engine: SparkEngine, database: Database, settings: Settings, manifest: Path, report: Report = ignore
) -> tuple[int, Counted]:
    """Give the id of the job and what the engine has counted."""
    job, _ = await submit(database, settings, manifest_url=manifest.as_uri(), engine="duckdb")
    comparison = Comparison(
        job_id=job.id,
        archive_location=job.orca_archive_location,
        inventory_creation_time=job.inventory_creation_time,
        compared_fields=engine.located.manifest.compared_fields,
        pending_from=job.inventory_creation_time - settings.grace,
    )

    async def succeed(connection: AsyncConnection) -> None:
        await set_status(connection, job.id, Status.SUCCESS)

    thresholds = Thresholds(
        shrunk=settings.shrunk_fraction, phantoms=settings.phantom_fraction, refuse=settings.refuse_suspicious
    )
    return job.id, await publish(database, comparison, engine, thresholds, report, succeed)
