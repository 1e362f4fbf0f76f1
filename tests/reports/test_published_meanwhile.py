"""A report that is published anew while somebody reads it: all of the old one is read, and nothing of the new."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Database
from app.reports import changes, exports
from app.reports.changes import Wanted, read_changes
from app.reports.exports import open_export
from app.reports.findings import ORPHANS
from app.reports.pages import Report
from app.reports.pairs import Pair, find_pair
from tests.reports.published import CREATED, Row, add_job, add_rows, publish

NO_GRACE = timedelta(0)


async def published(database: Database, job_id: int, *keys: str) -> int:
    """Publish these orphans in place of the job's others."""
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM orca.reconcile_orphan_report WHERE job_id = :id"), {"id": job_id})
    await add_rows(database, job_id, "orphans", [Row(key) for key in keys])
    await publish(database, job_id)
    return job_id


async def test_an_export_goes_on_with_the_report_that_it_began_with(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "CHUNK", 1)
    job_id = await published(database, await add_job(database), "a", "b", "c")

    async def exported(*, anew: bool) -> list[str]:
        export = await open_export(database, Report(ORPHANS, job_id, NO_GRACE), "ndjson")
        chunks = [await anext(export.data)]
        if anew:
            await published(database, job_id, "c", "d")
        chunks += [chunk async for chunk in export.data]
        return [orjson.loads(line)["keyPath"] for line in b"".join(chunks).splitlines()]

    assert await exported(anew=True) == ["a", "b", "c"]
    assert await exported(anew=False) == ["c", "d"]


async def test_changes_are_those_of_the_two_reports_that_were_found(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await published(database, await add_job(database), "a", "b")
    job_id = await published(database, await add_job(database, created=CREATED + timedelta(days=1)), "b", "c")

    async def found_and_then_published_anew(
        connection: AsyncConnection, job_id: int, against: int | None = None
    ) -> Pair:
        pair = await find_pair(connection, job_id, against)
        await published(database, job_id, "d", "e", "f")
        return pair

    async def new() -> tuple[list[str], int]:
        compared = await read_changes(database, job_id, grace=NO_GRACE, wanted=Wanted(ORPHANS, "new"))
        assert compared.page is not None
        return [item.keyPath for item in compared.page.items], compared.totals["orphans"].new

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(changes, "find_pair", found_and_then_published_anew)
        assert await new() == (["c"], 1)
    assert await new() == (["d", "e", "f"], 3)
