"""What changed since an earlier job."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from app.api.change_shapes import (
    ChangedMismatchesPage,
    ChangedOrphansPage,
    ChangedPhantomsPage,
    ChangesAnswer,
    page_body,
)
from app.api.documented import problems
from app.api.parameters import Cursor, JobId, JobIdNumber, Limit, database_of, settings_of
from app.errors import BadCursor, NoSuchJob, NotEarlier, OtherArchiveLocation, ReportNotReady
from app.reports.change_pages import MOST_JOBS, Change
from app.reports.changes import Wanted, read_changes
from app.reports.findings import KINDS, BadFilter

router = APIRouter(prefix="/reports", tags=["reports"])

OF_A_PAGE = ("change", "minJobs", "limit", "cursor")


@router.get(
    "/{id}/changes",
    response_model=ChangesAnswer | ChangedPhantomsPage | ChangedOrphansPage | ChangedMismatchesPage,
    responses=problems(NoSuchJob, ReportNotReady, OtherArchiveLocation, NotEarlier, BadCursor, BadFilter),
)
async def get_changes(
    request: Request,
    job_id: JobId,
    against: Annotated[
        JobIdNumber | None,
        Query(description="an earlier job of the same archive location; none: the success before", examples=[41]),
    ] = None,
    kind: Annotated[
        Literal["phantoms", "orphans", "mismatches"] | None,
        Query(description="give a page of these too, each with since when it is there"),
    ] = None,
    change: Annotated[Change, Query(description="which of them")] = "new",
    min_jobs: Annotated[
        int,
        Query(
            alias="minJobs",
            ge=1,
            le=MOST_JOBS,
            description="only what was seen in that many consecutive jobs, at least",
        ),
    ] = 1,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Tell what is new, resolved and persisting since an earlier job: how many of each, and page by page which.

    A finding is the same in both when it has the same key path, collection and granule; what else is said of it may
    have changed. Its history goes back as far as jobs are kept.
    """
    wanted = None
    if kind is not None:
        wanted = Wanted(KINDS[kind], change, min_jobs, limit, cursor)
    elif given := [name for name in OF_A_PAGE if name in request.query_params]:
        raise BadFilter(f"{' and '.join(given)} choose a page: say of what, with kind=phantoms, orphans or mismatches.")
    compared = await read_changes(
        database_of(request), job_id, grace=settings_of(request).grace, against=against, wanted=wanted
    )
    return Response(page_body(compared), media_type="application/json")
