"""What a run does: take the inventory in, compare it with the catalog, publish the reports."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.duckdb import DuckdbEngine
from app.compare.engine import Comparison, Engine, Report
from app.compare.postgres import PostgresEngine
from app.compare.publish import publish
from app.compare.suspicion import Thresholds
from app.db.engine import Database
from app.db.retry import retrying
from app.errors import BadManifest, EngineUnavailable, NotStaged, RunLost
from app.inventory import staging
from app.inventory.fetch import fetch
from app.inventory.manifest import COMPARABLE
from app.inventory.relation import InventoryFiles
from app.inventory.storage import Located, read_manifest
from app.jobs.claim import SQL
from app.jobs.measures import ROWS_COMPARED
from app.jobs.model import Run
from app.jobs.store import Status, get_job, set_status
from app.settings import Settings


async def work(database: Database, settings: Settings, run: Run, report: Report) -> None:
    """Do one attempt of `run`, to its success. Raises what went wrong; nothing is then published.

    What it leaves in the spool goes when the run has ended (`app.jobs.spool`), or is of use to the next attempt.
    """
    if not run.take_in:
        await _see_that_it_was_staged(database, run)
        staged = (
            PostgresEngine(run.staged_objects) if run.engine == "postgres" else _duckdb(database, settings, run, None)
        )
        await _compare(database, settings, run, staged, report)
        return
    located = await _manifest(settings, run)
    if run.engine == "spark":
        await _compare(database, settings, run, _spark(database, settings, located), report)
        return
    paths = await fetch(
        located, settings.prefixes, settings.spool, lambda done, total: report("fetching", done, total, "bytes")
    )
    inventory = InventoryFiles(located.manifest, paths)
    if run.engine == "postgres":
        staged_objects = await _stage(database, run, inventory, report)
        if staged_objects is not None:
            await _compare(database, settings, run, PostgresEngine(staged_objects), report)
    else:
        await _compare(database, settings, run, _duckdb(database, settings, run, inventory), report)


async def _see_that_it_was_staged(database: Database, run: Run) -> None:
    """Raise `NotStaged` where another program was to stage the job and has failed: a run that waited then starts."""
    async with database.reading() as connection:
        job = await get_job(connection, run.job_id)
    if job.status == "error":
        raise NotStaged(f"It was to be reconciled once it was staged, and staging it failed: {job.error_message}")


def _duckdb(database: Database, settings: Settings, run: Run, inventory: InventoryFiles | None) -> Engine:
    """Make the engine that reads an inventory's files, or what is staged."""
    settings.spool.mkdir(parents=True, exist_ok=True)  # DuckDB makes the last folder of a path only
    spill = settings.spool / f"run-{run.id}"
    return DuckdbEngine(database.url, inventory, memory_limit=settings.memory_limit, spill=spill)


def _spark(database: Database, settings: Settings, located: Located) -> Engine:
    """Make the engine that leaves the files where they lie. Raises `EngineUnavailable` without its extra."""
    try:
        from app.compare.spark import SparkEngine  # noqa: PLC0415  (an extra, which most installations do without)
    except ImportError as error:
        raise EngineUnavailable("Engine spark needs the extra orca-reconcile[spark]: install it.") from error
    if settings.spark_remote is None:
        raise EngineUnavailable("No Spark cluster is configured here: set RECONCILE_SPARK_REMOTE.")
    return SparkEngine(settings.spark_remote, database.url, located, prefixes=settings.prefixes, spool=settings.spool)


async def _manifest(settings: Settings, run: Run) -> Located:
    """Read the job's manifest again, and see that it is the one that was submitted."""
    if run.manifest_url is None:
        raise EngineUnavailable(f"Job {run.job_id} has no manifest to read.")
    located = await read_manifest(run.manifest_url, settings.prefixes)
    if located.md5 != run.manifest_md5:
        raise BadManifest(f"{located.url} has changed since it was submitted: submit it again.")
    return located


async def _stage(database: Database, run: Run, inventory: InventoryFiles, report: Report) -> int | None:
    """Make the inventory the archive location's partition; give the number of its objects if the run goes on."""
    load = staging.Load(run.id, run.attempt)
    ours = {"run_id": run.id, "attempt": run.attempt}
    loaded = await staging.load(
        database, load, run.job_id, inventory, lambda done: report("staging", done, None, "rows")
    )
    await staging.seal(database, load, loaded.rows, inventory)

    async def publish_rows() -> bool:
        async with database.transaction() as connection:
            if not (await connection.execute(SQL["has_staged"], ours)).scalar_one_or_none():
                await staging.attach(connection, load)
            await set_status(connection, run.job_id, Status.STAGED)
            goes_on = await _goes_on(connection, run)
            await connection.execute(SQL["mark_staged"], {"job_id": run.job_id, "inventory_objects": loaded.objects})
            if not goes_on:
                await finish(connection, run)
            return goes_on

    return loaded.objects if await retrying(publish_rows) else None


async def _compare(database: Database, settings: Settings, run: Run, engine: Engine, report: Report) -> None:
    async with database.transaction() as connection:
        await set_status(connection, run.job_id, Status.GENERATING_REPORTS)
        await _goes_on(connection, run)
    comparison = Comparison(
        job_id=run.job_id,
        archive_location=run.orca_archive_location,
        inventory_creation_time=run.inventory_creation_time,
        compared_fields=COMPARABLE if run.compared_fields is None else tuple(run.compared_fields),
        pending_from=run.inventory_creation_time - settings.grace,
        force=run.force,
    )

    async def succeed(connection: AsyncConnection) -> None:
        await set_status(connection, run.job_id, Status.SUCCESS)
        await finish(connection, run)

    thresholds = Thresholds(
        shrunk=settings.shrunk_fraction, phantoms=settings.phantom_fraction, refuse=settings.refuse_suspicious
    )
    counted = await publish(database, comparison, engine, thresholds, report, succeed)
    ROWS_COMPARED.labels(engine.name, "inventory").inc(counted.inventory_objects)
    ROWS_COMPARED.labels(engine.name, "catalog").inc(counted.catalog_files)


async def _goes_on(connection: AsyncConnection, run: Run) -> bool:
    """Hold the run's row until the transaction ends, and tell whether it is to reconcile once it has staged.

    Raises `RunLost` when another runner has taken it over: what this one has written of the job then never was.
    """
    values = {"run_id": run.id, "attempt": run.attempt}
    reconcile: bool | None = (await connection.execute(SQL["still_ours"], values)).scalar_one_or_none()
    if reconcile is None:
        raise RunLost(run.id, run.attempt)
    return reconcile


async def finish(
    connection: AsyncConnection, run: Run, state: str = "succeeded", error_message: str | None = None
) -> None:
    """End this attempt of the run, in the caller's transaction. Raises `RunLost` when it is no longer ours to end.

    The job's status is written before it: requests hold the job's row first and the run's second, and whoever took them
    the other way round could deadlock with one.
    """
    values = {"run_id": run.id, "attempt": run.attempt, "state": state, "error_message": error_message}
    if (await connection.execute(SQL["finish"], values)).one_or_none() is None:
        raise RunLost(run.id, run.attempt)
