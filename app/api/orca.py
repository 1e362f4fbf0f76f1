"""ORCA's own API under ORCA's paths, so that its clients need another base URL and nothing else.

Learnt from the documentation and schemas of NASA's cumulus-orca: 100 a page, pages by their number from 0, a body
without any particular Content-Type, 200, 400 or 500, and an error body of ORCA's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from app.api import documented, problems
from app.api.job_shapes import FindingTotals
from app.api.orca_shapes import (
    FindingsRequest,
    OrcaError,
    OrcaFindingsPage,
    OrcaJob,
    OrcaJobsPage,
    OrcaMismatchesPage,
    OrcaOrphansPage,
    OrcaPhantomsPage,
    PageRequest,
)
from app.api.parameters import database_of, settings_of
from app.api.request_id import log_failure
from app.api.shape import Shape, milliseconds
from app.jobs.store import INT8_MAX
from app.reports.findings import MISMATCHES, ORPHANS, PHANTOMS, Kind
from app.reports.orca import findings_page, jobs_page
from app.reports.pages import Report

JOBS = "/orca/datamanagement/reconciliation/internal/jobs"
FINDINGS = JOBS + "/job/{job_id}"

router = APIRouter(tags=["orca"])

RequestShape = TypeVar("RequestShape", bound=PageRequest)

STRANGERS: documented.Responses = {
    status: answer for status, answer in documented.problems().items() if status in {401, 403}
}
ERRORS: documented.Responses = {
    **STRANGERS,
    400: {"model": OrcaError, "description": "The body is not what it has to be: `BadRequest`"},
    500: {"model": OrcaError, "description": "Something went wrong: `InternalServerError`"},
}


def described(body: type[Shape], *, of_job: bool = True) -> dict[str, Any]:
    """Describe a route's body, which it reads itself, and the path's job, which ORCA does not look at."""
    schema = body.model_json_schema()
    content = {"application/json": {"schema": schema}}
    path = {
        "name": "job_id",
        "in": "path",
        "required": True,
        "description": "as in the body",
        "schema": {"type": "string"},
    }
    return {"requestBody": {"required": True, "content": content}, "parameters": [path] if of_job else []}


@router.post(JOBS + "/", include_in_schema=False)
@router.post(JOBS, response_model=OrcaJobsPage, responses=ERRORS, openapi_extra=described(PageRequest, of_job=False))
async def orca_jobs(request: Request) -> Response:
    """List jobs as ORCA does."""

    async def answer(body: PageRequest) -> Shape:
        async with database_of(request).reading() as connection:
            rows, another = await jobs_page(connection, body.page_index)
        return OrcaJobsPage(
            another_page=another,
            jobs=[
                OrcaJob(
                    id=row["id"],
                    orca_archive_location=row["orca_archive_location"],
                    status=row["status"],
                    inventory_creation_time=milliseconds(row["inventory_creation_time"]),
                    last_update=milliseconds(row["last_update"]),
                    error_message=row["error_message"],
                    report_totals=FindingTotals(
                        orphan=row["orphans"], phantom=row["phantoms"], catalog_mismatch=row["mismatches"]
                    ),
                )
                for row in rows
            ],
        )

    return await _answered(request, PageRequest, answer)


@router.post(FINDINGS + "/phantoms/", include_in_schema=False)
@router.post(
    FINDINGS + "/phantoms", response_model=OrcaPhantomsPage, responses=ERRORS, openapi_extra=described(FindingsRequest)
)
async def orca_phantoms(request: Request) -> Response:
    """List phantoms as ORCA does."""
    return await _findings(request, PHANTOMS, OrcaPhantomsPage)


@router.post(FINDINGS + "/orphans/", include_in_schema=False)
@router.post(
    FINDINGS + "/orphans", response_model=OrcaOrphansPage, responses=ERRORS, openapi_extra=described(FindingsRequest)
)
async def orca_orphans(request: Request) -> Response:
    """List orphans as ORCA does."""
    return await _findings(request, ORPHANS, OrcaOrphansPage)


@router.post(FINDINGS + "/mismatches/", include_in_schema=False)
@router.post(
    FINDINGS + "/mismatches",
    response_model=OrcaMismatchesPage,
    responses=ERRORS,
    openapi_extra=described(FindingsRequest),
)
async def orca_mismatches(request: Request) -> Response:
    """List mismatches as ORCA does."""
    return await _findings(request, MISMATCHES, OrcaMismatchesPage)


async def _findings(request: Request, kind: Kind, shape: type[OrcaFindingsPage]) -> Response:
    async def answer(body: FindingsRequest) -> Shape:
        if not 0 < body.job_id <= INT8_MAX:
            return shape.model_validate({"job_id": body.job_id, "another_page": False, kind.name: []})
        report = Report(kind, body.job_id, settings_of(request).grace)
        async with database_of(request).reading() as connection:
            items, another = await findings_page(connection, report, body.page_index)
        return shape.model_validate({"job_id": body.job_id, "another_page": another, kind.name: items})

    return await _answered(request, FindingsRequest, answer)


async def _answered(
    request: Request, shape: type[RequestShape], answer: Callable[[RequestShape], Awaitable[Shape]]
) -> Response:
    """Read the body, answer it, and say in ORCA's way what went wrong."""
    request_id = problems.request_id(request)
    try:
        found = await answer(shape.model_validate_json(await request.body()))
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(str(step) for step in one['loc']) or 'body'}: {one['msg']}" for one in error.errors()
        )
        return _failed(400, "BadRequest", places, request_id)
    except HTTPException as error:
        return _failed(400, "BadRequest", error.detail, request_id)
    except Exception as error:  # noqa: BLE001  (whatever it was, ORCA says so in its own body; it is logged below)
        problem = problems.of_error(error, request_id)
        log_failure(error, problem, request.scope)
        return _failed(500, "InternalServerError", problem.detail, request_id)
    return Response(found.model_dump_json(), media_type="application/json")


def _failed(status: int, kind: str, message: str, request_id: str) -> Response:
    error = OrcaError(error_type=kind, http_status=status, request_id=request_id, message=message)
    return Response(error.model_dump_json(), status, media_type="application/json")
