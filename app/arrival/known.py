"""What the service had taken in before a watch began, and what is too old to take in after that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.arrival.destination import report_of
from app.db.engine import Database
from app.db.queries import Queries
from app.inventory.locations import parse_location
from app.inventory.manifest import Manifest

SQL = Queries("app.arrival", "known.sql")


@dataclass(frozen=True)
class Known:
    """The times of the newest inventories that were known when a watch began; `since` stands for them all, if given.

    An inventory is too old when it was made before the newest that is known of its report, that is of the dated
    folders beside its own: several reports may cover one archive location, and be delivered in any order. Of a report
    from which nothing is known, because its jobs have been purged or it is new, the newest of the archive location
    counts. Where nothing is known of that either, nothing is too old.
    """

    reports: Mapping[str, datetime]
    archive_locations: Mapping[str, datetime]
    since: datetime | None

    @classmethod
    async def load(cls, database: Database, store: str, since: datetime | None) -> Known:
        """Ask the database; `store` is how all URLs of the store begin."""
        async with database.reading() as connection:
            manifests = (await connection.execute(SQL["manifests"], {"store": store})).all()
            newest = (await connection.execute(SQL["newest_inventories"])).all()
        reports: dict[str, datetime] = {}
        for url, created in manifests:
            report = report_of(str(parse_location(url)))
            reports[report] = max(created, reports.get(report, created))
        return cls(reports, {row.orca_archive_location: row.newest for row in newest}, since)

    def floor(self, report: str) -> datetime | None:
        """Say before which time the inventories of a report are too old, as far as its folder alone can tell."""
        return self.since or self.reports.get(report)

    def is_too_old(self, report: str, manifest: Manifest) -> bool:
        """Tell whether an inventory was made too early."""
        floor = self.floor(report) or self.archive_locations.get(manifest.source_bucket)
        return floor is not None and manifest.creation_time < floor
