"""The totals and roll-ups of a job's reports, stored with them so that nobody ever counts findings to look at them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.queries import Queries

SQL = Queries("app.compare", "summary.sql")

MOST_PREFIXES = 1000
"""How many key prefixes are kept for a kind and depth, those with most findings first: keys may be all different."""


async def give_memory(connection: AsyncConnection) -> None:
    """Let the transaction join and group findings in memory."""
    await connection.execute(SQL["give_memory"])


async def summarise(
    connection: AsyncConnection,
    *,
    job_id: int,
    engine: str | None,
    pending_from: datetime,
    inventory_objects: int | None,
    catalog_files: int | None,
    compared_fields: Sequence[str],
    warnings: Sequence[str],
    published_at: datetime | None = None,
) -> None:
    """Roll up the three report tables of a job into `reconcile_report` and `reconcile_report_part`.

    What an earlier run left there is replaced. Runs in the caller's transaction, which has to be REPEATABLE READ for
    two writers never to mix. `published_at` is now unless given; `pending_from` is that of rule 7: a finding whose
    time is not earlier is pending.
    """
    await give_memory(connection)
    await connection.execute(SQL["clear_parts"], {"job_id": job_id})
    await connection.execute(
        SQL["summarise"],
        {
            "job_id": job_id,
            "engine": engine,
            "pending_from": pending_from,
            "inventory_objects": inventory_objects,
            "catalog_files": catalog_files,
            "compared_fields": list(compared_fields),
            "warnings": list(warnings),
            "published_at": published_at,
            "most_prefixes": MOST_PREFIXES,
        },
    )
