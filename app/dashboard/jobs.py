"""Jobs on pages: the list of them, and what can be asked of them by pressing a button."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError

from app.api.job_shapes import SubmitRequest
from app.api.jobs import jobs_after, jobs_listing, next_jobs_cursor
from app.api.parameters import Cursor, JobId, TextFilter, database_of, requester_of, settings_of
from app.api.problems import STATUSES
from app.dashboard.site import PageRoute, go, render
from app.errors import NotStaged, ReconcileError
from app.jobs import requests, store
from app.jobs.model import JobStatus

router = APIRouter(prefix="/dashboard/jobs", route_class=PageRoute, include_in_schema=False)

PAGE = 50


@router.get("")
async def jobs_page(
    request: Request,
    status: JobStatus | None = None,
    location: Annotated[TextFilter | None, Query()] = None,
    cursor: Cursor = None,
) -> Response:
    """List jobs, the newest inventory first."""
    return await _list(request, status=status, location=location, cursor=cursor)


@router.post("")
async def start_job(request: Request) -> Response:
    """Submit the form's manifest, and show its job; what is refused is said beside the form."""
    form = await form_of(request)
    given = {
        "manifest_url": form.get("manifestUrl", "").strip(),
        "engine": form.get("engine", "auto"),
        "rerun": "rerun" in form,
        "force": "force" in form,
    }
    try:
        asked = SubmitRequest.model_validate(given)
        job, _ = await requests.submit(
            database_of(request),
            settings_of(request),
            requester=requester_of(request),
            **asked.model_dump(by_alias=False),
        )
    except ValidationError as error:
        refusal = "; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors())
        return await _list(request, refusal=refusal, given=given, answer=422)
    except ReconcileError as error:
        return await _list(request, refusal=str(error), given=given, answer=STATUSES[type(error)])
    return go(request, "job_page", id=job.id)


@router.post("/{id}/reconcile")
async def reconcile_again(request: Request, job_id: JobId) -> Response:
    """Compare the job with the catalog once more."""
    await requests.request_reconcile(
        database_of(request), settings_of(request), job_id, requester=requester_of(request)
    )
    return go(request, "job_page", id=job_id)


@router.post("/{id}/rerun")
async def rerun_job(request: Request, job_id: JobId) -> Response:
    """Take the job's manifest in once more. A manifest that is another one by now has a job of its own."""
    async with database_of(request).reading() as connection:
        job = await store.get_job(connection, job_id)
    if job.manifest_url is None:
        raise NotStaged(f"Job {job_id} was staged by another program, and has no manifest to take in once more.")
    job, _ = await requests.submit(
        database_of(request),
        settings_of(request),
        manifest_url=job.manifest_url,
        rerun=True,
        requester=requester_of(request),
    )
    return go(request, "job_page", id=job.id)


@router.post("/{id}/cancel")
async def cancel_from_page(request: Request, job_id: JobId) -> Response:
    """Cancel what is queued or running."""
    await requests.cancel(database_of(request), job_id)
    return go(request, "job_page", id=job_id)


async def form_of(request: Request) -> dict[str, str]:
    """Read a form as a browser sends it."""
    body = (await request.body()).decode(errors="replace").replace("\x00", "")
    return dict(parse_qsl(body, keep_blank_values=True))


async def _list(
    request: Request,
    *,
    status: JobStatus | None = None,
    location: str | None = None,
    cursor: str | None = None,
    refusal: str | None = None,
    given: dict[str, Any] | None = None,
    answer: int = 200,
) -> Response:
    if "" in request.query_params.values():  # a form sends what was left empty, too
        return go(request, "jobs_page", {name: value for name, value in request.query_params.items() if value})
    listing = jobs_listing(status, location)
    async with database_of(request).reading() as connection:
        jobs = await store.list_jobs(
            connection,
            status=status,
            archive_location=location,
            limit=PAGE + 1,
            after=None if cursor is None else jobs_after(listing, cursor),
        )
    return render(
        request,
        "jobs.html",
        answer,
        jobs=jobs[:PAGE],
        next_cursor=next_jobs_cursor(listing, jobs, PAGE),
        first_page=cursor is None,
        status=status,
        location=location,
        refusal=refusal,
        given=given or {"manifest_url": "", "engine": "auto", "rerun": False, "force": False},
    )
