"""Pages of findings, each one statement and a range of the report's primary key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.keyset import Key, Listing
from app.db.queries import Queries
from app.db.reader import Prepared, Reader
from app.errors import NoSuchJob, ReportNotReady
from app.reports.findings import NO_FILTERS, PENDING_COMMENT, Filters, Finding, Kind, finding_type

SQL = Queries("app.reports", "pages.sql")


@dataclass(frozen=True, slots=True)
class Page:
    """Some findings, and the following page's cursor."""

    items: list[Finding]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """One kind of findings of one job, as far as the filters let them through.

    `grace` is that of the settings, for a job that ORCA itself reported: what is pending was not written down then.
    """

    kind: Kind
    job_id: int
    grace: timedelta
    filters: Filters = NO_FILTERS

    def listing(self) -> Listing:
        """Say to what a cursor of this report belongs."""
        return Listing(self.kind.name, (self.job_id, *self.filters.scope()), (str,) * len(self.kind.key))

    async def page(self, source: Reader | AsyncConnection, *, limit: int, cursor: str | None = None) -> Page:
        """Read one page. Raises `NoSuchJob`, `ReportNotReady`, `BadCursor`."""
        listing = self.listing()
        items, last = await self.read(source, limit=limit, after=None if cursor is None else listing.after(cursor))
        return Page(items, None if last is None else listing.cursor(last))

    async def read(
        self, source: Reader | AsyncConnection, *, limit: int, after: Key | None
    ) -> tuple[list[Finding], Key | None]:
        """Read up to `limit` items that follow the key `after`, and the last one's key where more follow.

        A report without filters has one plan for all values, and each set of filters wants a plan of its own: the
        `Reader` has to plan so. A connection is for those who read a single page, or under a snapshot.
        Raises `NoSuchJob`, `ReportNotReady`.
        """
        values = {
            "job_id": self.job_id,
            "grace": self.grace,
            "comment": PENDING_COMMENT,
            **{f"after_{name}": "" if after is None else after[place] for place, name in enumerate(self.kind.key)},
        }
        rows: Sequence[Sequence[Any]]
        if isinstance(source, Reader):
            filtered = self.filters != NO_FILTERS
            values |= asdict(self.filters) if filtered else {}
            rows = await source.rows(_prepared(self.kind, filtered=filtered, limit=limit), values)
        else:
            statement = text(_statement(self.kind, filtered=True, limit=limit))
            rows = (await source.execute(statement, values | asdict(self.filters))).all()
        if not rows:
            raise NoSuchJob(self.job_id)
        if not rows[0][0]:
            raise ReportNotReady(f"Job {self.job_id} has published no report yet: see GET /jobs/{self.job_id}.")
        items = findings_of(rows[:limit], self.kind.columns)
        return items, items[-1].key(self.kind) if len(rows) > limit else None


def findings_of(rows: Sequence[Sequence[Any]], columns: tuple[str, ...]) -> list[Finding]:
    """Read the rows of a page's statement; one whose item has no key says that there are no items."""
    finding = finding_type(columns)
    return [finding(*row[1:]) for row in rows if row[1] is not None]


def items_of(kind: Kind) -> str:
    """Give the statement of a kind's items, not narrowed or in order yet, its times computed."""
    formula = SQL["milliseconds"].text.rpartition("\n")[2]
    return re.sub(r"\bmilliseconds\((.+?)\)", lambda time: formula.replace("the_time", time[1]), SQL[kind.name].text)


def page_of(items: str) -> str:
    """Give the statement that answers a page of these items."""
    return SQL["page"].text.rstrip(";").replace("/* items */", items)


@lru_cache(maxsize=256)
def _prepared(kind: Kind, *, filtered: bool, limit: int) -> Prepared:
    return Prepared.of(text(_statement(kind, filtered=filtered, limit=limit)))


@lru_cache(maxsize=256)
def _statement(kind: Kind, *, filtered: bool, limit: int) -> str:
    """Put the parts of `pages.sql` together.

    The limit is written into the statement: of one that comes with the values, a generic plan only guesses that it is
    a tenth of all, and might read and sort them.
    """
    parts = [*([f"{kind.name}_filters"] if filtered else []), f"{kind.name}_order"]
    items = "\n".join([items_of(kind), *(SQL[part].text for part in parts)])
    return page_of(f"{items}\nLIMIT {limit + 1:d}")
