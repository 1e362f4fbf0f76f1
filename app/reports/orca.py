"""The same data for clients of ORCA's own API, who ask for pages by their number."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.queries import Queries
from app.errors import NoSuchJob, ReportNotReady
from app.reports.findings import MISMATCHES, as_dicts
from app.reports.pages import Report

SQL = Queries("app.reports", "orca.sql")

PAGE_SIZE = 100


async def jobs_page(connection: AsyncConnection, page_index: int) -> tuple[list[RowMapping], bool]:
    """Read a page of jobs, the newest inventory first, and tell whether there is another."""
    values = {"skip": page_index * PAGE_SIZE, "limit": PAGE_SIZE + 1}
    rows = list((await connection.execute(SQL["jobs"], values)).mappings())
    return rows[:PAGE_SIZE], len(rows) > PAGE_SIZE


async def findings_page(
    connection: AsyncConnection, report: Report, page_index: int
) -> tuple[list[dict[str, Any]], bool]:
    """Read a page of findings, and tell whether there is another.

    ORCA knows no 404 here: a job that is not there, or has no report, has no findings. Only its mismatches carry a
    comment.
    """
    after = None
    if page_index > 0:
        values = {"job_id": report.job_id, "skip": page_index * PAGE_SIZE - 1}
        key = (await connection.execute(SQL[report.kind.name], values)).one_or_none()
        if key is None:
            return [], False
        after = tuple(key)
    try:
        found, last = await report.read(connection, limit=PAGE_SIZE, after=after)
    except (NoSuchJob, ReportNotReady):
        return [], False
    items = as_dicts(found)
    if report.kind is not MISMATCHES:
        for item in items:
            del item["comment"]
    return items, last is not None
