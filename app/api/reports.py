"""Reports: what a job's comparison found, in pages and summed up."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response

from app.api.documented import Responses, problems
from app.api.exports import CONTENT, download
from app.api.finding_shapes import MismatchesPage, OrphansPage, PhantomsPage
from app.api.page_query import MismatchesQuery, OrphansQuery, PhantomsQuery
from app.api.parameters import JobId, database_of, reader_of, settings_of
from app.api.summary_shapes import SummaryAnswer
from app.errors import BadCursor, NoSuchJob, ReportNotReady, TooManyExports
from app.reports.findings import NO_FILTERS, BadFilter
from app.reports.pages import Report
from app.reports.summary import DEPTHS, read_summary

router = APIRouter(prefix="/reports", tags=["reports"])

PAGE_RESPONSES: Responses = {
    200: {"description": "A page, or the file that `format` asks for", "content": CONTENT},
    **problems(NoSuchJob, ReportNotReady, BadCursor, BadFilter, TooManyExports),
}


@router.get("/{id}", responses=problems(NoSuchJob, ReportNotReady))
async def get_report(
    request: Request,
    job_id: JobId,
    depth: Annotated[
        int, Query(ge=DEPTHS[0], le=DEPTHS[-1], description="how many folders deep `byKeyPrefix` goes")
    ] = 1,
) -> SummaryAnswer:
    """Sum up a job's reports: totals, bytes, and both by collection, discrepancy type, key prefix and day."""
    summary = await read_summary(database_of(request), job_id, depth=depth, grace=settings_of(request).grace)
    return SummaryAnswer.of(summary)


@router.get(
    "/{id}/phantoms",
    response_model=PhantomsPage,
    responses=PAGE_RESPONSES,
    openapi_extra=PhantomsQuery.described(),
)
async def list_phantoms(request: Request) -> Response:
    """List the files of the catalog that are not in S3."""
    return await _page(request, PhantomsQuery.of(request))


@router.get(
    "/{id}/orphans",
    response_model=OrphansPage,
    responses=PAGE_RESPONSES,
    openapi_extra=OrphansQuery.described(),
)
async def list_orphans(request: Request) -> Response:
    """List the objects in S3 that the catalog does not have."""
    return await _page(request, OrphansQuery.of(request))


@router.get(
    "/{id}/mismatches",
    response_model=MismatchesPage,
    responses=PAGE_RESPONSES,
    openapi_extra=MismatchesQuery.described(),
)
async def list_mismatches(request: Request) -> Response:
    """List the files that are in both, but differ in ETag, size or storage class."""
    return await _page(request, MismatchesQuery.of(request))


async def _page(request: Request, query: OrphansQuery) -> Response:
    """Answer with a page, or with a file, if that is asked for."""
    query.check_format()
    report = Report(query.kind, query.id, settings_of(request).grace, query.filters())
    if query.format != "json":
        return await download(request, report, query.format, spreadsheet=query.spreadsheet)
    reader = reader_of(request, filtered=report.filters != NO_FILTERS)
    page = await report.page(reader, limit=query.limit, cursor=query.cursor)
    another = page.next_cursor is not None
    answer = {"jobId": query.id, "anotherPage": another, "nextCursor": page.next_cursor, query.kind.name: page.items}
    return Response(msgspec.json.encode(answer), media_type="application/json")
