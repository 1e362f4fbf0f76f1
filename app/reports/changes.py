"""What changed since an earlier job of the same archive location: totals, and pages of what they count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.db.engine import Database
from app.reports.change_pages import Change, Changes
from app.reports.change_totals import ChangeTotals, count_changes, remember
from app.reports.findings import Kind
from app.reports.pages import Page
from app.reports.pairs import Pair, find_pair
from app.reports.summary import sum_up


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page of changes a reader wants: of one kind, changed in one way, seen in so many consecutive jobs."""

    kind: Kind
    change: Change = "new"
    min_jobs: int = 1
    limit: int = 100
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """Two jobs, how many findings changed between them, by the kind's name, and the page that was wanted."""

    pair: Pair
    totals: dict[str, ChangeTotals]
    wanted: Wanted | None
    page: Page | None


async def read_changes(
    database: Database, job_id: int, *, grace: timedelta, against: int | None = None, wanted: Wanted | None = None
) -> Compared:
    """Compare a job's reports with those of an earlier job: the one named, or the success before.

    Everything is of one moment. Where nothing was published before, all findings are new. `grace` is that of the
    settings, for jobs that ORCA itself reported.
    Raises `NoSuchJob`, `ReportNotReady`, `OtherArchiveLocation`, `NotEarlier`, `BadCursor`.
    """
    compared, counted = await _read(database, job_id, against, grace, wanted)
    if compared is None:
        # ORCA reported one of them, and nobody has asked for its totals yet.
        compared, counted = await _read(database, job_id, against, grace, wanted)
    assert compared is not None  # noqa: S101  (both jobs are summed up now)
    if counted:
        await remember(database, compared.pair, counted)
    return compared


async def _read(
    database: Database, job_id: int, against: int | None, grace: timedelta, wanted: Wanted | None
) -> tuple[Compared | None, dict[str, int]]:
    """Read from one snapshot; None, and the two jobs are summed up, where that was not done yet."""
    async with database.snapshot() as connection:
        pair = await find_pair(connection, job_id, against)
        unknown = [job.job_id for job in (pair.job, pair.against) if job is not None and job.findings is None]
        if not unknown:
            page = None
            if wanted is not None:
                changes = Changes(pair, wanted.kind, wanted.change, grace, wanted.min_jobs)
                page = await changes.page(connection, limit=wanted.limit, cursor=wanted.cursor)
            totals, counted = await count_changes(connection, pair)
            return Compared(pair, totals, wanted, page), counted
    for one in unknown:
        await sum_up(database, one, grace)
    return None, {}
