"""What changed between two jobs: the findings that are new, resolved or persisting, in pages.

A finding is the same in two jobs when it is of the same kind and has the same primary key: its key path, and for
phantoms and mismatches the collection and granule to which the catalog says it belongs. What else the reports say of it
may differ: a mismatch that first differed in its ETag and then in its size too persists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.keyset import Key, Listing
from app.db.queries import Queries
from app.reports.findings import PENDING_COMMENT, Finding, Kind
from app.reports.pages import Page, findings_of, items_of, page_of
from app.reports.pairs import Pair, Published

SQL = Queries("app.reports", "changes.sql")

Change = Literal["new", "resolved", "persisting"]

TABLES = {
    "phantoms": "orca.reconcile_phantom_report",
    "orphans": "orca.reconcile_orphan_report",
    "mismatches": "orca.reconcile_catalog_mismatch_report",
}
COLUMNS = {"collectionId": "collection_id", "granuleId": "granule_id", "keyPath": "key_path"}
SINCE = ("firstJobId", "firstSeen", "consecutiveJobs")
"""What a finding says here besides what its report says."""

MOST_JOBS = 100
"""In how many consecutive jobs a finding may be asked to have been seen."""

MANY_MORE = 20
"""How many times more findings one side has when it is better to look up each of the other's than to read both."""

NO_JOB = 0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Changes:
    """The findings of one kind that changed in one way between two jobs.

    New and persisting ones are those of the later job's report, resolved ones those of the earlier job's. `min_jobs`
    lets through only what was seen in that many consecutive jobs, the last of them the one whose report it stands in.
    `grace` is that of the settings, for jobs that ORCA itself reported.
    """

    pair: Pair
    kind: Kind
    change: Change
    grace: timedelta
    min_jobs: int = 1

    async def page(self, connection: AsyncConnection, *, limit: int, cursor: str | None = None) -> Page:
        """Read one page: the items of the report, each with `firstJobId`, `firstSeen` and `consecutiveJobs`.

        In one transaction over one snapshot (`Database.snapshot`), which also found the pair. `firstSeen` is when the
        inventory of the first job that saw the finding was made, in ms since the epoch. Raises `BadCursor`.
        """
        listing = self._listing()
        after = ("",) * len(self.kind.key) if cursor is None else listing.after(cursor)
        source, other = self._sides()
        earlier = () if source is None else self.pair.history_of(source)[1 : self.min_jobs]
        if source is None or len(earlier) < self.min_jobs - 1 or (self.change == "new" and other in earlier):
            return Page([], None)
        keys = await self._keys(connection, source, other, earlier, after, limit + 1)
        items = await self._items(connection, source, keys[:limit])
        return Page(items, listing.cursor(keys[limit - 1]) if len(keys) > limit else None)

    def _listing(self) -> Listing:
        against = None if self.pair.against is None else self.pair.against.job_id
        scope = (self.pair.job.job_id, against, self.min_jobs)
        return Listing(f"{self.change} {self.kind.name}", scope, (str,) * len(self.kind.key))

    def _sides(self) -> tuple[Published | None, Published | None]:
        """Give the job whose report is listed, and the one it is held against."""
        job, against = self.pair.job, self.pair.against
        if self.change == "new":
            return job, against
        return (against, job) if self.change == "resolved" else (against and job, against)

    async def _keys(
        self,
        connection: AsyncConnection,
        source: Published,
        other: Published | None,
        earlier: tuple[Published, ...],
        after: Key,
        limit: int,
    ) -> list[Key]:
        there = [job for job in earlier if job != other]
        if self.change == "persisting" and other is not None:
            there.insert(0, other)
        missing = self.change != "persisting" and other is not None
        statement = _keys_statement(self.kind, there=len(there), missing=missing)
        values = {f"after_{name}": value for name, value in zip(self.kind.key, after, strict=True)}
        values |= {f"there_{place}": job.job_id for place, job in enumerate(there)}
        if missing and other is not None:
            values["other_id"] = other.job_id
        await choose_plan(connection, self.kind, source, other)
        rows = await connection.execute(text(statement), {**values, "source_id": source.job_id, "limit": limit})
        return [tuple(row) for row in rows]

    async def _items(self, connection: AsyncConnection, source: Published, keys: list[Key]) -> list[Finding]:
        history = self.pair.history_of(source)
        columns = zip(*keys, strict=True) if keys else [()] * len(self.kind.key)
        values = {
            "job_id": source.job_id,
            "grace": self.grace,
            "comment": PENDING_COMMENT,
            "history": [job.job_id for job in history],
            "history_times": [(job.inventory_creation_time - _EPOCH) // timedelta(milliseconds=1) for job in history],
            **{f"after_{name}": "" for name in self.kind.key},
            **{f"wanted_{name}": list(column) for name, column in zip(self.kind.key, columns, strict=True)},
        }
        await connection.execute(SQL["by_probes"])
        rows = await connection.execute(text(_items_statement(self.kind)), values)
        return findings_of(rows.all(), (*self.kind.columns, *SINCE))


async def choose_plan(connection: AsyncConnection, kind: Kind, one: Published, other: Published | None) -> None:
    """Say for the rest of the transaction how PostgreSQL is to hold the findings of one job against another's."""
    few = (one.findings or {}).get(kind.name)
    many = (other.findings or {}).get(kind.name) if other else None
    probe = few is not None and many is not None and few * MANY_MORE < many
    await connection.execute(SQL["by_probes" if probe else "by_ranges"])


def of_kind(kind: Kind, sql: str) -> str:
    """Put a kind's table and the columns of its key in place of those that stand for them in `changes.sql`."""
    columns = [COLUMNS[name] for name in kind.key]
    sql = re.sub(r"\breport AS", f"{TABLES[kind.name]} AS", sql)
    sql = re.sub(r"\b(\w+)\.key\b", lambda match: ", ".join(f"{match[1]}.{column}" for column in columns), sql)
    sql = sql.replace(":after)", ", ".join(f":after_{name}" for name in kind.key) + ")")
    wanted = ", ".join(f"CAST(:wanted_{name} AS text[])" for name in kind.key)
    return sql.replace("CAST(:wanted AS text[])", wanted).replace("(key, place)", f"({', '.join(columns)}, place)")


@lru_cache(maxsize=256)
def _keys_statement(kind: Kind, *, there: int, missing: bool) -> str:
    conditions = [SQL["there"].text.replace(":other_id", f":there_{place}") for place in range(there)]
    conditions += [SQL["missing"].text] if missing else []
    return of_kind(kind, SQL["keys"].text.replace("/* and */", "\n".join(conditions)))


@lru_cache(maxsize=3)
def _items_statement(kind: Kind) -> str:
    finding = items_of(kind) + of_kind(kind, "\n  AND (finding.key) = (wanted.key)")
    items = of_kind(kind, SQL["items"].text).replace("/* finding */", finding)
    return page_of(items)
