"""How many findings are new, resolved and persisting: counted once for two reports, and then remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Database
from app.reports.change_pages import SQL, choose_plan, of_kind
from app.reports.findings import KINDS, Kind
from app.reports.pairs import Pair


@dataclass(frozen=True, slots=True)
class ChangeTotals:
    """How many findings of a kind only the later job has, only the earlier one, and both."""

    new: int
    resolved: int
    persisting: int


async def count_changes(connection: AsyncConnection, pair: Pair) -> tuple[dict[str, ChangeTotals], dict[str, int]]:
    """Count what changed, by the kind's name, in the snapshot of `connection` in which the pair was found.

    All that the two jobs found is counted, whatever a page is narrowed to. Both have to be summed up: their `findings`
    known. The second value holds what was not known yet and is worth to `remember`.
    """
    found = pair.job.findings or {}
    if pair.against is None:
        return {name: ChangeTotals(found[name], 0, 0) for name in KINDS}, {}
    before = pair.against.findings or {}
    persisting = await _known(connection, pair)
    counted = {name: await _count(connection, pair, kind) for name, kind in KINDS.items() if name not in persisting}
    persisting |= counted
    totals = {
        name: ChangeTotals(found[name] - persisting[name], before[name] - persisting[name], persisting[name])
        for name in KINDS
    }
    return totals, counted


async def remember(database: Database, pair: Pair, counted: dict[str, int]) -> None:
    """Store what was counted; reports that were published anew meanwhile have other counts, and nothing is stored."""
    async with database.transaction() as connection:
        for name, persisting in counted.items():
            await connection.execute(SQL["remember"], {**_identity(pair), "kind": name, "persisting": persisting})


async def _known(connection: AsyncConnection, pair: Pair) -> dict[str, int]:
    rows = await connection.execute(SQL["known"], _identity(pair))
    return {row.kind: row.persisting for row in rows}


async def _count(connection: AsyncConnection, pair: Pair, kind: Kind) -> int:
    assert pair.against is not None  # noqa: S101  (nothing is shared with nobody)
    if not ((pair.job.findings or {})[kind.name] and (pair.against.findings or {})[kind.name]):
        return 0
    sides = sorted((pair.job, pair.against), key=lambda job: (job.findings or {})[kind.name])
    await choose_plan(connection, kind, *sides)
    statement = text(of_kind(kind, SQL["persisting"].text))
    count: int = (
        await connection.execute(statement, {"job_id": sides[0].job_id, "against_id": sides[1].job_id})
    ).scalar_one()
    return count


def _identity(pair: Pair) -> dict[str, Any]:
    """Say which two reports are meant, as they were published."""
    assert pair.against is not None  # noqa: S101  (nothing is remembered of one job alone)
    return {
        "job_id": pair.job.job_id,
        "against_id": pair.against.job_id,
        "job_published_at": pair.job.published_at,
        "against_published_at": pair.against.published_at,
    }
