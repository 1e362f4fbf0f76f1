"""Archive locations as their jobs left them: the newest state, the trend, and since when collections are affected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.queries import Queries
from app.reports.summary import FindingKind

SQL = Queries("app.reports", "locations.sql")

TREND_JOBS = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Point:
    """What one published job of an archive location found; `phantom_bytes` is the size of what was missing."""

    job_id: int
    inventory_creation_time: datetime
    phantoms: int
    orphans: int
    mismatches: int
    phantoms_pending: int
    phantom_bytes: int


@dataclass(frozen=True, slots=True)
class ArchiveLocation:
    """An archive location: its newest job, and up to `TREND_JOBS` published ones, oldest first."""

    name: str
    newest_id: int
    status: str
    inventory_creation_time: datetime
    error_message: str | None
    phase: str | None
    trend: tuple[Point, ...]

    @property
    def found(self) -> Point | None:
        """What the newest published job found."""
        return self.trend[-1] if self.trend else None


@dataclass(frozen=True, slots=True)
class Affected:
    """A collection with findings of one kind, and since which inventory it has had some in every one.

    `from_the_oldest`: there is no older inventory, so that it may have been so before.
    """

    collection_id: str
    findings: int
    pending: int
    bytes: int
    since: datetime
    first_job_id: int
    jobs: int
    from_the_oldest: bool


async def read_locations(connection: AsyncConnection, name: str | None = None) -> list[ArchiveLocation]:
    """Read all archive locations, or the one of that name; those with most phantoms come first."""
    rows = await connection.execute(SQL["locations"], {"name": name, "jobs": TREND_JOBS})
    return [
        ArchiveLocation(
            **{column: value for column, value in row.items() if column != "trend"},
            trend=tuple(_point(*values) for values in row["trend"]),
        )
        for row in rows.mappings()
    ]


async def read_affected(connection: AsyncConnection, job_id: int, kind: FindingKind) -> list[Affected]:
    """Read which collections a job found to be affected, most findings first; orphans belong to no collection."""
    rows = await connection.execute(SQL["since"], {"job_id": job_id, "kind": kind})
    return [Affected(**row) for row in rows.mappings()]


def _point(job_id: int, microseconds: int, *numbers: int) -> Point:
    return Point(job_id, _EPOCH + timedelta(microseconds=microseconds), *numbers)
