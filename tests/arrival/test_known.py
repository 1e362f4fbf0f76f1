"""What is known when a watch begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.arrival.destination import dated
from app.arrival.known import Known
from app.db.engine import Database
from app.jobs.requests import submit
from app.settings import Settings
from tests.support.manifests import write

NEWEST = datetime(2024, 5, 7, 1, tzinfo=UTC)


async def test_the_newest_inventory_of_a_report_counts_in_whatever_order_they_came(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    report.mkdir()
    for days in (1, 0, 2):
        created = NEWEST - timedelta(days=days)
        milliseconds = int(created.timestamp() * 1000)
        write(tmp_path, [], created=milliseconds)
        delivered = (tmp_path / f"{milliseconds}").rename(report / dated(created))
        await submit(database, settings, manifest_url=(delivered / "manifest.json").as_uri())
    known = await Known.load(database, tmp_path.as_uri(), None)
    assert known.reports == {report.as_uri(): NEWEST}
    assert known.archive_locations == {"orca-archive": NEWEST}
