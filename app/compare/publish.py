"""From differences to the three reports, in one transaction over one snapshot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.engine import Comparison, Counted, Engine, Report
from app.compare.summary import give_memory, summarise
from app.compare.suspicion import Thresholds, suspect
from app.db.engine import Database
from app.db.queries import Queries

SQL = Queries("app.compare", "publish.sql")


async def publish(
    database: Database,
    comparison: Comparison,
    engine: Engine,
    thresholds: Thresholds,
    report: Report,
    finish: Callable[[AsyncConnection], Awaitable[None]],
) -> Counted:
    """Compute all three reports of a job with `engine` and publish them, replacing those of an earlier run.

    One REPEATABLE READ transaction: the engine and the reports see one state of the database, and a reader sees all
    of a job's reports or none. `finish` is called last, in the same transaction, to say that the job has succeeded;
    when it raises, nothing was published.
    """
    async with database.snapshot() as connection:
        counted = await engine.fill(connection, comparison, report)
        report("publishing", 0, None, "findings")
        await look_up(connection)
        values = {
            "job_id": comparison.job_id,
            "archive_location": comparison.archive_location,
            "compared_fields": list(comparison.compared_fields),
        }
        twice = (await connection.execute(SQL["listed_twice"], values)).scalar_one()
        if twice is not None:
            raise await engine.explain_duplicate(twice)
        found = {}
        for kind in ("phantoms", "orphans", "mismatches"):
            await connection.execute(SQL[f"clear_{kind}"], values)
            found[kind] = (await connection.execute(SQL[kind], values)).rowcount
        if counted.catalog_files - found["phantoms"] != counted.inventory_objects - found["orphans"]:
            # Both sides have to agree on how many keys they share: whatever an engine overlooked breaks that.
            raise AssertionError(f"Engine {engine.name} has not counted what it has compared: {counted}, {found}.")
        warnings = await suspect(connection, comparison, counted, found["phantoms"], thresholds)
        await summarise(
            connection,
            job_id=comparison.job_id,
            engine=engine.name,
            pending_from=comparison.pending_from,
            inventory_objects=counted.inventory_objects,
            catalog_files=counted.catalog_files,
            compared_fields=list(comparison.compared_fields),
            warnings=warnings,
        )
        await finish(connection)
    return counted


async def look_up(connection: AsyncConnection) -> None:
    """Read the files and granules of the rows in `unequal`, and tell the planner about all three tables."""
    await give_memory(connection)
    for step in ("settings", "read_ahead", "files", "granules", "stop_reading_ahead", "analyze"):
        await connection.execute(SQL[step])
