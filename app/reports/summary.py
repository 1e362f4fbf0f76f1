"""What a job's reports add up to: totals and roll-ups, as they were stored when the reports were published."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.summary import summarise
from app.db.engine import Database
from app.db.queries import Queries
from app.db.retry import retrying
from app.errors import NoSuchJob, ReportNotReady
from app.inventory.manifest import COMPARABLE

SQL = Queries("app.reports", "summary.sql")

Dimension = Literal["collection", "prefix", "discrepancy", "day"]
FindingKind = Literal["phantom", "orphan", "mismatch"]
DEPTHS = range(1, 4)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many findings, how many of them pending, and how many bytes they are."""

    findings: int = 0
    pending: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Tallies:
    """One tally for each kind of finding. The bytes of phantoms are the catalog's, the others' those in S3."""

    phantom: Tally = field(default_factory=Tally)
    orphan: Tally = field(default_factory=Tally)
    mismatch: Tally = field(default_factory=Tally)

    @property
    def findings(self) -> int:
        """All findings, of whatever kind."""
        return self.phantom.findings + self.orphan.findings + self.mismatch.findings


@dataclass(frozen=True, slots=True)
class Summary:
    """The stored summary of one job's reports. `parts` has the roll-ups by value: largest first, days in order."""

    job_id: int
    orca_archive_location: str
    inventory_creation_time: datetime
    published_at: datetime
    engine: str | None
    compared_fields: list[str]
    warnings: list[str]
    inventory_objects: int | None
    catalog_files: int | None
    total: Tallies
    parts: dict[Dimension, dict[str, Tallies]]


async def read_summary(database: Database, job_id: int, *, depth: int, grace: timedelta) -> Summary:
    """Read a job's summary, its key prefixes `depth` folders deep.

    For a job that ORCA itself reported it is computed once, with today's `grace`, and stored: now, if not before.
    Raises `NoSuchJob`, `ReportNotReady`.
    """
    async with database.reading() as connection:
        row = await _read(connection, job_id, depth)
    if row["published_at"] is None:
        await sum_up(database, job_id, grace)
        async with database.reading() as connection:
            row = await _read(connection, job_id, depth)
    return Summary(
        job_id=row["job_id"],
        orca_archive_location=row["orca_archive_location"],
        inventory_creation_time=row["inventory_creation_time"],
        published_at=row["published_at"],
        engine=row["engine"],
        compared_fields=row["compared_fields"],
        warnings=row["warnings"],
        inventory_objects=row["inventory_objects"],
        catalog_files=row["catalog_files"],
        total=Tallies(
            phantom=Tally(row["phantoms"], row["phantoms_pending"], row["phantom_bytes"]),
            orphan=Tally(row["orphans"], row["orphans_pending"], row["orphan_bytes"]),
            mismatch=Tally(row["mismatches"], row["mismatches_pending"], row["mismatch_bytes"]),
        ),
        parts=_by_dimension(row["parts"] or []),
    )


async def _read(connection: AsyncConnection, job_id: int, depth: int) -> RowMapping:
    row = (await connection.execute(SQL["summary"], {"job_id": job_id, "depth": depth})).mappings().one_or_none()
    if row is None:
        raise NoSuchJob(job_id)
    if row["published_at"] is None and not row["succeeded"]:
        raise ReportNotReady(f"Job {job_id} has published no report yet: see GET /jobs/{job_id}.")
    return row


async def sum_up(database: Database, job_id: int, grace: timedelta) -> None:
    """Store the summary of a job that ORCA itself reported, where there is none yet.

    Raises `NoSuchJob`, `ReportNotReady`.
    """
    await retrying(_summarise_what_orca_reported, database, job_id, grace)


async def _summarise_what_orca_reported(database: Database, job_id: int, grace: timedelta) -> None:
    """Store the summary of a job whose reports ORCA wrote, unless another reader just has.

    REPEATABLE READ lets the second of two readers fail with a serialization error; tried again, it finds the row.
    """
    async with database.snapshot() as connection:
        row = await _read(connection, job_id, DEPTHS[0])
        if row["published_at"] is not None:
            return
        await summarise(
            connection,
            job_id=job_id,
            engine=None,
            pending_from=row["inventory_creation_time"] - grace,
            inventory_objects=None,
            catalog_files=None,
            compared_fields=COMPARABLE,
            warnings=[],
            published_at=row["ended_at"],
        )


def _by_dimension(
    parts: list[tuple[Dimension, str, FindingKind, int, int, int]],
) -> dict[Dimension, dict[str, Tallies]]:
    grouped: dict[Dimension, dict[str, dict[FindingKind, Tally]]] = defaultdict(lambda: defaultdict(dict))
    for dimension, value, kind, findings, pending, size in parts:
        grouped[dimension][value][kind] = Tally(findings, pending, size)
    return {
        dimension: dict(
            sorted(
                ((value, Tallies(**tallies)) for value, tallies in values.items()),
                key=lambda part: (0 if dimension == "day" else -part[1].findings, part[0]),
            )
        )
        for dimension, values in grouped.items()
    }
