"""What callers may ask of jobs. Each request is one short transaction; the work is done by a runner."""

from __future__ import annotations

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Database
from app.errors import (
    EngineUnavailable,
    InventorySuperseded,
    JobEnded,
    JobRunning,
    NoSuchJob,
    NotStaged,
    OtherArchiveLocation,
)
from app.inventory.staged import no_rows
from app.inventory.storage import read_manifest
from app.jobs.deletion import WITHDRAWN, delete_withdrawn, withdraw
from app.jobs.model import EngineChoice, EngineName, Job, Requester
from app.jobs.store import INT8_MAX, SQL, Status, get_job, lock_job, set_status
from app.settings import Settings


async def submit(
    database: Database,
    settings: Settings,
    *,
    manifest_url: str,
    engine: EngineChoice = "auto",
    reconcile: bool = True,
    rerun: bool = False,
    force: bool = False,
    requester: Requester | None = None,
) -> tuple[Job, bool]:
    """Read and validate the manifest, and queue its job; tell whether work was queued (or was already).

    The same manifest (URL and MD5) is one job however often it is submitted; `rerun` takes it in once more.

    Raises `LocationForbidden`, `ManifestNotFound`, `BadManifest`, `StorageUnavailable`, `EngineUnavailable`,
    `JobRunning`.
    """
    located = await read_manifest(manifest_url, settings.prefixes)
    manifest = located.manifest
    chosen = _engine_for_manifest(settings, engine, manifest.size_in_bytes, reconcile=reconcile)
    identity = {"manifest_url": located.url, "manifest_md5": located.md5}
    async with database.transaction() as connection:
        await connection.execute(SQL["lock_manifest"], {"manifest_url": located.url})
        job_id = (await connection.execute(SQL["job_of_manifest"], identity)).scalar_one_or_none()
        if job_id is not None:
            if not rerun:
                return await get_job(connection, job_id), False
            await _lock(connection, job_id)
            if await _joined(connection, job_id, reconcile=reconcile):
                return await get_job(connection, job_id), True
        else:
            job_id = (
                await connection.execute(
                    SQL["insert_job"],
                    {
                        "archive_location": manifest.source_bucket,
                        "inventory_creation_time": manifest.creation_time,
                    },
                )
            ).scalar_one()
            await connection.execute(
                SQL["insert_manifest"],
                {
                    "job_id": job_id,
                    **identity,
                    "size_in_bytes": manifest.size_in_bytes,
                    "compared_fields": list(manifest.compared_fields),
                },
            )
        await _queue(
            connection,
            job_id,
            manifest.source_bucket,
            engine=chosen,
            reconcile=reconcile,
            take_in=True,
            force=force,
            requester=requester,
        )
        return await get_job(connection, job_id), True


async def request_reconcile(
    database: Database,
    settings: Settings,
    job_id: int,
    *,
    archive_location: str | None = None,
    engine: EngineChoice = "auto",
    force: bool = False,
    requester: Requester | None = None,
) -> Job:
    """Queue the comparison of a job, unless it is queued or running already; a job still staging goes on to it.

    Raises `NoSuchJob`, `OtherArchiveLocation`, `InventorySuperseded`, `NotStaged`, `EngineUnavailable`, `JobRunning`.
    """
    async with database.transaction() as connection:
        job = await _lock(connection, job_id)
        if archive_location not in (None, job.orca_archive_location):
            raise OtherArchiveLocation(
                f"Job {job_id} is of the archive location {job.orca_archive_location}, not of {archive_location}."
            )
        if await _joined(connection, job_id, reconcile=True):
            return await get_job(connection, job_id)
        if engine == "spark" and not job.has_manifest:
            raise EngineUnavailable(
                f"Job {job_id} has no manifest, so engine spark has no files to read: use engine postgres or duckdb."
            )
        # What was staged is compared where it lies, and an engine that reads files gets them wherever there are some.
        take_in = job.has_manifest and (engine in {"duckdb", "spark"} or not job.was_staged)
        if take_in:
            chosen = _engine_for_manifest(settings, engine, job.size_in_bytes, reconcile=True)
        else:
            chosen = "duckdb" if engine == "duckdb" else "postgres"
            await _ensure_staged(connection, job_id, job, force=force)
        await _queue(
            connection,
            job_id,
            job.orca_archive_location,
            engine=chosen,
            reconcile=True,
            take_in=take_in,
            force=force,
            requester=requester,
        )
        return await get_job(connection, job_id)


async def cancel(database: Database, job_id: int) -> Job:
    """Cancel what is queued or running; a runner that is at it stops within seconds. Raises `NoSuchJob`, `JobEnded`."""
    async with database.transaction() as connection:
        await _lock(connection, job_id)
        live = (await connection.execute(SQL["live_run"], {"job_id": job_id})).one_or_none()
        if live is None:
            raise JobEnded(f"Job {job_id} is neither queued nor running here: there is nothing to cancel.")
        if live.state == "queued":
            await connection.execute(SQL["cancel_queued"], {"run_id": live.id})
            await set_status(connection, job_id, Status.ERROR, "cancelled")
        else:
            await connection.execute(SQL["ask_to_cancel"], {"run_id": live.id})
            await connection.execute(SQL["wake"], {"about": f"cancel {live.id}"})
        return await get_job(connection, job_id)


async def delete(database: Database, job_id: int) -> None:
    """Delete a job, its reports and its staged rows; asked again after it was cut off, it goes on.

    Raises `NoSuchJob`, `JobRunning`.
    """
    async with database.transaction() as connection:
        job = await _lock(connection, job_id)
        if (await connection.execute(SQL["live_run"], {"job_id": job_id})).one_or_none() is not None:
            raise JobRunning(f"Job {job_id} is queued or running: cancel it first.")
        await withdraw(connection, job_id)
    if not await delete_withdrawn(database, job_id, job.orca_archive_location):
        raise JobRunning(f"Job {job_id} was asked for again while it was being deleted, and stays.")


async def _lock(connection: AsyncConnection, job_id: int) -> Row[tuple[object, ...]]:
    """Hold the job, and look at it. Raises `NoSuchJob`."""
    row = None
    if 0 < job_id <= INT8_MAX:
        await lock_job(connection, job_id)
        row = (await connection.execute(SQL["locked_job"], {"job_id": job_id})).one_or_none()
    if row is None:
        raise NoSuchJob(job_id)
    return row


async def _joined(connection: AsyncConnection, job_id: int, *, reconcile: bool) -> bool:
    """Tell whether the job is queued or running, and have that go on to the comparison where it is asked for.

    Raises `JobRunning` where it is about to be cancelled, and would take what is asked for now with it.
    """
    live = (await connection.execute(SQL["live_run"], {"job_id": job_id})).one_or_none()
    if live is None:
        return False
    if live.cancel_requested:
        raise JobRunning(f"Job {job_id} is being cancelled: ask again when that has ended it, in a few seconds.")
    if reconcile and not live.reconcile:
        await connection.execute(SQL["reconcile_when_staged"], {"run_id": live.id})
    return True


async def _queue(
    connection: AsyncConnection,
    job_id: int,
    archive_location: str,
    *,
    engine: EngineName,
    reconcile: bool,
    take_in: bool,
    force: bool,
    requester: Requester | None,
) -> None:
    requester = requester or Requester()
    await connection.execute(
        SQL["insert_run"],
        {
            "job_id": job_id,
            "archive_location": archive_location,
            "engine": engine,
            "reconcile": reconcile,
            "take_in": take_in,
            "force": force,
            "requested_by": requester.name,
            "request_id": requester.request_id,
        },
    )
    job = await get_job(connection, job_id)
    if take_in:
        await set_status(connection, job_id, Status.GETTING_S3_LIST)
    elif job.status != "getting S3 list":  # else another program is staging it, and says itself when it is done
        await set_status(connection, job_id, Status.GENERATING_REPORTS)
    await connection.execute(SQL["wake"], {"about": "queued"})


async def _ensure_staged(
    connection: AsyncConnection, job_id: int, job: Row[tuple[object, ...]], *, force: bool
) -> None:
    """See that the staged rows are this job's own, and all of them. Raises `InventorySuperseded`, `NotStaged`."""
    if job.status_id == Status.GETTING_S3_LIST:
        return  # what lies there is what it is about to replace
    if job.error_message == WITHDRAWN:
        raise NotStaged(f"Job {job_id} is being deleted with what was staged of it: stage its inventory again.")
    where = {"archive_location": job.orca_archive_location, "job_id": job_id}
    owner = (await connection.execute(SQL["staged_sample"], where)).scalar_one_or_none()
    was_empty = job.was_staged and job.inventory_objects == 0
    if owner == job_id or (owner is None and was_empty):
        return
    was_staged = job.was_staged or job.status_id != Status.ERROR
    gone = bool(job.inventory_objects) or (await connection.execute(SQL["staged_after"], where)).scalar_one()
    if gone or (was_staged and owner is not None):
        raise InventorySuperseded(
            f"Another job{f' ({owner})' if owner else ''} has since staged {job.orca_archive_location}: "
            f"job {job_id} has no rows of its own any more. "
            "Reconcile the later job, or submit this one's manifest again."
        )
    if not was_staged or not (await connection.execute(SQL["has_partition"], where)).scalar_one():
        raise NotStaged(
            f"Job {job_id} has no staged rows and no manifest: "
            "stage its inventory, or submit the manifest to POST /jobs."
        )
    if not force:
        raise no_rows(job_id)


def _engine_for_manifest(settings: Settings, engine: EngineChoice, size: int, *, reconcile: bool) -> EngineName:
    """Choose the engine of a job whose files can be read; `size` is that of its data files in bytes."""
    if not reconcile:
        if engine not in {"auto", "postgres"}:
            raise EngineUnavailable(f"Engine {engine} stages nothing: with reconcile=false use engine postgres.")
        return "postgres"
    if engine == "spark" and settings.spark_remote is None:
        raise EngineUnavailable(
            "No Spark cluster is configured here: set RECONCILE_SPARK_REMOTE, or use another engine."
        )
    if engine != "auto":
        return engine
    if settings.spark_remote is not None and size > settings.spark_threshold_bytes:
        return "spark"
    return "duckdb"
