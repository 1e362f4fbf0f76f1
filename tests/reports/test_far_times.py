"""Times that a catalog can hold and a calendar cannot: one of them must not keep a report from being published or read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.reports.findings import PHANTOMS
from app.reports.pages import Report
from app.reports.summary import read_summary
from tests.reports.published import Row, add_job, add_rows, publish


@pytest.mark.parametrize(
    ("time", "day", "milliseconds"),
    [
        ("infinity", "infinity", 9224318016000000),
        ("-infinity", "-infinity", -210866803200000),
        ("0044-03-15 12:00Z BC", "0044-03-15 BC", -63517780800000),
        ("56000-01-01 00:00Z", "56000-01-01", 1705022092800000),
    ],
)
async def test_a_report_with_a_far_time_is_published_and_read(
    database: Database, time: str, day: str, milliseconds: int
) -> None:
    job = await add_job(database)
    await add_rows(database, job, "phantoms", [Row("a")])
    async with database.transaction() as connection:
        far = text(
            "UPDATE orca.reconcile_phantom_report SET orca_last_update = CAST(CAST(:time AS text) AS timestamptz)"
        )
        await connection.execute(far, {"time": time})
    await publish(database, job)
    summary = await read_summary(database, job, depth=1, grace=timedelta(0))
    assert list(summary.parts["day"]) == [day]
    async with database.reading() as connection:
        (item,) = (await Report(PHANTOMS, job, timedelta(0)).page(connection, limit=10)).items
    assert item.orcaGranuleLastUpdate == milliseconds
