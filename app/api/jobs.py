"""Jobs: submit an inventory, have it compared, look, cancel, delete."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.documented import problems
from app.api.job_shapes import JobAnswer, JobsAnswer, ReconcileRequest, SubmitRequest
from app.api.parameters import Cursor, JobId, Limit, TextFilter, database_of, requester_of, settings_of
from app.api.shape import EPOCH
from app.db.keyset import Listing
from app.errors import (
    BadCursor,
    BadManifest,
    EngineUnavailable,
    InventorySuperseded,
    JobEnded,
    JobRunning,
    LocationForbidden,
    ManifestNotFound,
    NoSuchJob,
    NotStaged,
    OtherArchiveLocation,
    StorageUnavailable,
)
from app.jobs import requests, store
from app.jobs.model import Job, JobStatus

router = APIRouter(prefix="/jobs", tags=["jobs"])

LOCATION = {"Location": {"description": "where the job is", "schema": {"type": "string"}, "example": "/jobs/42"}}
_MICROSECOND = timedelta(microseconds=1)


@router.get("", responses=problems(BadCursor))
async def list_jobs(
    request: Request,
    status: Annotated[JobStatus | None, Query(description="only jobs that stand so")] = None,
    archive_location: Annotated[
        TextFilter | None, Query(alias="orcaArchiveLocation", description="only jobs of this bucket")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> JobsAnswer:
    """List jobs, the newest inventory first."""
    listing = jobs_listing(status, archive_location)
    async with database_of(request).reading() as connection:
        jobs = await store.list_jobs(
            connection,
            status=status,
            archive_location=archive_location,
            limit=limit + 1,
            after=None if cursor is None else jobs_after(listing, cursor),
        )
    next_cursor = next_jobs_cursor(listing, jobs, limit)
    return JobsAnswer(
        jobs=[JobAnswer.of(job) for job in jobs[:limit]], another_page=next_cursor is not None, next_cursor=next_cursor
    )


def jobs_listing(status: JobStatus | None, archive_location: str | None) -> Listing:
    """Say to what a cursor of a list of jobs belongs."""
    return Listing("jobs", (status, archive_location), (int, int))


def next_jobs_cursor(listing: Listing, jobs: list[Job], limit: int) -> str | None:
    """Give the cursor of the page that follows the first `limit` of some jobs; None where no more were read."""
    if len(jobs) <= limit:
        return None
    last = jobs[limit - 1]
    return listing.cursor(((last.inventory_creation_time - EPOCH) // _MICROSECOND, last.id))


def jobs_after(listing: Listing, cursor: str) -> tuple[datetime, int]:
    """Read where a page of jobs begins. Raises `BadCursor`."""
    time, job_id = listing.after(cursor)
    assert isinstance(time, int)  # noqa: S101  (the listing says so)
    assert isinstance(job_id, int)  # noqa: S101  (the listing says so)
    try:
        return EPOCH + time * _MICROSECOND, job_id
    except OverflowError:
        raise BadCursor("That cursor names a time that cannot be.") from None


@router.post(
    "",
    status_code=202,
    responses={
        200: {"model": JobAnswer, "description": "The same manifest was submitted before: the job that has it"},
        202: {"description": "The manifest is valid, and the job is queued", "headers": LOCATION},
        **problems(
            LocationForbidden,
            ManifestNotFound,
            JobRunning,
            BadManifest,
            EngineUnavailable,
            StorageUnavailable,
            body=True,
        ),
    },
)
async def submit_job(request: Request, response: Response, body: SubmitRequest) -> JobAnswer:
    """Take in an inventory: the manifest is read and validated at once, its data files in the background."""
    job, queued = await requests.submit(
        database_of(request),
        settings_of(request),
        manifest_url=body.manifest_url,
        engine=body.engine,
        reconcile=body.reconcile,
        rerun=body.rerun,
        force=body.force,
        requester=requester_of(request),
    )
    if not queued:
        response.status_code = 200
    return _located(request, response, job)


@router.get("/{id}", responses=problems(NoSuchJob))
async def get_job(request: Request, job_id: JobId) -> JobAnswer:
    """Look at a job."""
    async with database_of(request).reading() as connection:
        return JobAnswer.of(await store.get_job(connection, job_id))


@router.post(
    "/{id}/reconcile",
    status_code=202,
    responses={
        202: {"description": "It is queued or running; nothing is done twice", "headers": LOCATION},
        **problems(
            NoSuchJob, InventorySuperseded, NotStaged, JobRunning, OtherArchiveLocation, EngineUnavailable, body=True
        ),
    },
)
async def reconcile_job(
    request: Request, response: Response, job_id: JobId, body: ReconcileRequest | None = None
) -> JobAnswer:
    """Compare a job with the catalog, in the background; a job that is still staging is compared when it is staged."""
    body = body or ReconcileRequest()
    job = await requests.request_reconcile(
        database_of(request),
        settings_of(request),
        job_id,
        archive_location=body.orca_archive_location,
        engine=body.engine,
        force=body.force,
        requester=requester_of(request),
    )
    return _located(request, response, job)


@router.post(
    "/{id}/cancel",
    status_code=202,
    responses={202: {"description": "It stops, and ends in `error`"}, **problems(NoSuchJob, JobEnded)},
)
async def cancel_job(request: Request, job_id: JobId) -> JobAnswer:
    """Cancel what is queued or running."""
    return JobAnswer.of(await requests.cancel(database_of(request), job_id))


@router.delete("/{id}", status_code=204, responses=problems(NoSuchJob, JobRunning))
async def delete_job(request: Request, job_id: JobId) -> None:
    """Delete a job that has ended, and its reports with it; where that took too long, ask again, and it goes on."""
    await requests.delete(database_of(request), job_id)


def _located(request: Request, response: Response, job: Job) -> JobAnswer:
    path = request.app.url_path_for("get_job", id=job.id)
    response.headers["Location"] = request.scope.get("root_path", "") + str(path)
    return JobAnswer.of(job)
