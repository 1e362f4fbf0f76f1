"""What Prometheus is told of the reports."""

from __future__ import annotations

from datetime import timedelta

import httpx

from app.db.engine import Database
from tests.reports.published import CREATED, Row, add_job, add_rows, publish


async def test_findings_are_those_of_the_newest_inventory_and_not_of_the_last_job(
    client: httpx.AsyncClient, database: Database
) -> None:
    for days, orphans in ((1, "a"), (0, "abc"), (2, "ab")):
        job_id = await add_job(database, created=CREATED - timedelta(days=days))
        await add_rows(database, job_id, "orphans", map(Row, orphans))
        await publish(database, job_id)
    said = (await client.get("/metrics")).text
    assert 'orca_reconcile_findings{archive_location="orca-archive",kind="orphan"} 3.0' in said.splitlines()
