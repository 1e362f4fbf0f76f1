"""Which two jobs of an archive location are compared, and what was published before them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.queries import Queries
from app.errors import NoSuchJob, NotEarlier, OtherArchiveLocation, ReportNotReady
from app.inventory.manifest import COMPARABLE

SQL = Queries("app.reports", "pairs.sql")


@dataclass(frozen=True, slots=True)
class Published:
    """A job whose reports are published, and how many findings of each kind they hold, by the kind's name.

    Neither that nor the time is known of a job that ORCA itself reported, until it is summed up. ORCA compares all
    fields.
    """

    job_id: int
    inventory_creation_time: datetime
    published_at: datetime | None
    compared_fields: tuple[str, ...]
    findings: dict[str, int] | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A job and the earlier one that it is compared against; None where nothing was published before it.

    `history` holds the published jobs of the archive location in the order of their inventories, newest first: it
    begins with the job itself.
    """

    history: tuple[Published, ...]
    against: Published | None

    @property
    def job(self) -> Published:
        """The later job."""
        return self.history[0]

    def history_of(self, one: Published) -> tuple[Published, ...]:
        """Give what was published up to one of the two, newest first: it begins with that one."""
        return self.history[self.history.index(one) :]

    def warnings(self) -> list[str]:
        """Say which fields only one of the two compared: whether they differed at the other's time nobody knows."""
        if self.against is None:
            return []
        return [
            f"Job {blind.job_id} did not compare {' and '.join(fields)}, as job {seeing.job_id} did: mismatches in "
            f"nothing else are called {called}, and may have been there all the same."
            for blind, seeing, called in ((self.job, self.against, "resolved"), (self.against, self.job, "new"))
            if (fields := [field for field in seeing.compared_fields if field not in blind.compared_fields])
        ]


async def find_pair(connection: AsyncConnection, job_id: int, against: int | None = None) -> Pair:
    """Find a job and the one to compare it against: the one named, or that published before it.

    "Before" is by the inventories' creation times, and by id where these are the same.
    Raises `NoSuchJob`, `ReportNotReady`, `OtherArchiveLocation`, `NotEarlier`.
    """
    rows = (await connection.execute(SQL["history"], {"job_id": job_id})).mappings()
    history = tuple(_published(row) for row in rows)
    if not history or history[0].job_id != job_id:
        await _job(connection, job_id)
        raise _not_ready(job_id)
    if against is None:
        return Pair(history, history[1] if len(history) > 1 else None)
    for earlier in history[1:]:
        if earlier.job_id == against:
            return Pair(history, earlier)
    raise await _unfit(connection, job_id, against)


async def _unfit(connection: AsyncConnection, job_id: int, against: int) -> Exception:
    """Say why a job cannot be compared against another. Raises `NoSuchJob` where there is no such other."""
    job, other = await _job(connection, job_id), await _job(connection, against)
    if other["orca_archive_location"] != job["orca_archive_location"]:
        return OtherArchiveLocation(
            f"Job {against} is of the archive location {other['orca_archive_location']}, "
            f"job {job_id} of {job['orca_archive_location']}: compare jobs of one archive location."
        )
    if (other["inventory_creation_time"], against) >= (job["inventory_creation_time"], job_id):
        return NotEarlier(
            f"Job {against} is not earlier than job {job_id}: compare a job against one whose inventory is older."
        )
    return _not_ready(against)


async def _job(connection: AsyncConnection, job_id: int) -> RowMapping:
    row = (await connection.execute(SQL["job"], {"job_id": job_id})).mappings().one_or_none()
    if row is None:
        raise NoSuchJob(job_id)
    return row


def _not_ready(job_id: int) -> ReportNotReady:
    return ReportNotReady(f"Job {job_id} has published no report yet: see GET /jobs/{job_id}.")


def _published(row: RowMapping) -> Published:
    counted = {name: row[name] for name in ("phantoms", "orphans", "mismatches")}
    findings = None if row["published_at"] is None else counted
    fields = COMPARABLE if row["compared_fields"] is None else tuple(row["compared_fields"])
    return Published(row["job_id"], row["inventory_creation_time"], row["published_at"], fields, findings)
