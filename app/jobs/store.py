"""Reading jobs, and writing their status."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import IntEnum

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.queries import Queries
from app.errors import NoSuchJob
from app.jobs.model import Job, Progress, Totals

SQL = Queries("app.jobs", "jobs.sql")
INT8_MAX = 2**63 - 1


class Status(IntEnum):
    """The rows of `reconcile_status`."""

    GETTING_S3_LIST = 1
    STAGED = 2
    GENERATING_REPORTS = 3
    ERROR = 4
    SUCCESS = 5


async def get_job(connection: AsyncConnection, job_id: int) -> Job:
    """Read one job. Raises `NoSuchJob`."""
    if not 0 < job_id <= INT8_MAX:
        raise NoSuchJob(job_id)
    job = (await get_jobs(connection, [job_id])).get(job_id)
    if job is None:
        raise NoSuchJob(job_id)
    return job


async def get_jobs(connection: AsyncConnection, job_ids: Collection[int]) -> dict[int, Job]:
    """Read those of some jobs that are there, by their ids."""
    rows = await connection.execute(SQL["jobs_by_id"], {"job_ids": list(job_ids)})
    return {row["id"]: _job(row) for row in rows.mappings()}


async def list_jobs(
    connection: AsyncConnection,
    *,
    status: str | None,
    archive_location: str | None,
    limit: int,
    after: tuple[datetime, int] | None,
) -> list[Job]:
    """Read up to `limit` jobs, newest inventory first, that come after (inventory creation time, id)."""
    after_time, after_id = after or (None, None)
    rows = await connection.execute(
        SQL["jobs"],
        {
            "status": status,
            "archive_location": archive_location,
            "after_time": after_time,
            "after_id": after_id,
            "limit": limit,
        },
    )
    return [_job(row) for row in rows.mappings()]


async def lock_job(connection: AsyncConnection, job_id: int) -> None:
    """Hold a job until the transaction ends, if there is one, so that all who change it come one after the other.

    What holds of it is for a later statement to ask: this one may have waited, and saw what was true before it did.
    """
    await connection.execute(SQL["lock_job"], {"job_id": job_id})


async def set_status(connection: AsyncConnection, job_id: int, status: Status, message: str | None = None) -> None:
    """Write a job's status as ORCA does: an end has its time, an error its message."""
    await connection.execute(
        SQL["set_job_status"], {"job_id": job_id, "status_id": int(status), "error_message": message}
    )


def _job(row: RowMapping) -> Job:
    published = row["phantoms"] is not None
    return Job(
        id=row["id"],
        orca_archive_location=row["orca_archive_location"],
        status=row["status"],
        inventory_creation_time=row["inventory_creation_time"],
        start_time=row["start_time"],
        last_update=row["last_update"],
        end_time=row["end_time"],
        error_message=row["error_message"],
        report_totals=Totals(row["phantoms"], row["orphans"], row["mismatches"]) if published else None,
        pending_totals=Totals(row["phantoms_pending"], row["orphans_pending"], row["mismatches_pending"])
        if published
        else None,
        published_at=row["published_at"],
        manifest_url=row["manifest_url"],
        engine=row["engine"],
        attempt=row["attempt"],
        progress=Progress(row["phase"], row["done"] or 0, row["total"], row["unit"]) if row["phase"] else None,
        inventory_objects=row["inventory_objects"],
        catalog_files=row["catalog_files"],
        compared_fields=row["compared_fields"],
        warnings=row["warnings"],
    )
