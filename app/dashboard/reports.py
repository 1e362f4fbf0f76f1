"""A job's page: what its reports add up to, as pictures, and the findings below them; and a page for one finding."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.exceptions import HTTPException

from app.api.page_query import MismatchesQuery, OrphansQuery, PhantomsQuery
from app.api.parameters import JobId, TextFilter, database_of, reader_of, settings_of
from app.dashboard.breakdowns import breakdowns, days
from app.dashboard.sides import sides_of
from app.dashboard.site import Links, PageRoute, go, render
from app.dashboard.words import WORDS
from app.errors import ReportNotReady
from app.jobs import store
from app.reports.findings import NO_FILTERS, Filters, as_dicts
from app.reports.locations import read_affected
from app.reports.pages import Report
from app.reports.summary import DEPTHS, read_summary

router = APIRouter(prefix="/dashboard/jobs", route_class=PageRoute, include_in_schema=False)

KindName = Literal["phantoms", "orphans", "mismatches"]
QUERIES: dict[str, type[OrphansQuery]] = {
    query.kind.name: query for query in (PhantomsQuery, OrphansQuery, MismatchesQuery)
}
PAGE = 50


@router.get("/{id}")
async def job_page(request: Request, job_id: JobId) -> Response:
    """Show a job: where it stands, and what it found as soon as there is a report."""
    async with database_of(request).reading() as connection:
        job = await store.get_job(connection, job_id)
    try:
        summary = await read_summary(database_of(request), job_id, depth=DEPTHS[0], grace=settings_of(request).grace)
    except ReportNotReady:
        return render(request, "job.html", job=job, summary=None, tab="overview")
    async with database_of(request).reading() as connection:
        losing = await read_affected(connection, job_id, "phantom")
    return render(request, "job.html", job=job, summary=summary, losing=losing, tab="overview")


@router.get("/{id}/{kind}")
async def findings_page(
    request: Request,
    job_id: JobId,
    kind: Annotated[KindName, Path()],
    depth: Annotated[int, Query(ge=DEPTHS[0], le=DEPTHS[-1])] = DEPTHS[0],
) -> Response:
    """Show the findings of one kind: pictures of all, and a page of those that the filters let through."""
    asked = dict(request.query_params)
    if "" in asked.values():  # a form sends what was left empty, too
        return go(
            request, "findings_page", {name: value for name, value in asked.items() if value}, id=job_id, kind=kind
        )
    words = WORDS[kind]
    query = QUERIES[kind].of(request)
    report = Report(words.kind, job_id, settings_of(request).grace, query.filters())
    chosen = {name: asked[name] for name in sorted(words.kind.filters) if name in asked}
    kept = chosen | ({"depth": str(depth)} if depth != DEPTHS[0] else {})
    link = Links(request)

    def narrow(name: str, value: str) -> str:
        return link("findings_page", kept | {name: value}, id=job_id, kind=kind) + "#findings"

    async with database_of(request).reading() as connection:
        job = await store.get_job(connection, job_id)
    reader = reader_of(request, filtered=report.filters != NO_FILTERS)
    page = await report.page(reader, limit=PAGE, cursor=query.cursor)
    summary = await read_summary(database_of(request), job_id, depth=depth, grace=settings_of(request).grace)
    unit, columns = days(summary, words)
    return render(
        request,
        "findings.html",
        job=job,
        summary=summary,
        words=words,
        tab=kind,
        breakdowns=breakdowns(summary, words, chosen, narrow, depth),
        unit=unit,
        columns=columns,
        depth=depth,
        depths=[(one, link("findings_page", chosen | {"depth": str(one)}, id=job_id, kind=kind)) for one in DEPTHS],
        chosen=chosen,
        kept=kept,
        findings=as_dicts(page.items),
        detail=lambda finding: link(
            "finding_page", {name: finding[name] for name in words.kind.key}, id=job_id, kind=kind
        ),
        next_href=page.next_cursor
        and link("findings_page", kept | {"cursor": page.next_cursor}, id=job_id, kind=kind) + "#findings",
        first_page=query.cursor is None,
        without=lambda name: (
            link("findings_page", {key: value for key, value in kept.items() if key != name}, id=job_id, kind=kind)
            + "#findings"
        ),
        downloads=_downloads(request, job_id, kind, chosen),
    )


@router.get("/{id}/{kind}/finding")
async def finding_page(
    request: Request,
    job_id: JobId,
    kind: Annotated[KindName, Path()],
    key_path: Annotated[TextFilter, Query(alias="keyPath", min_length=1)],
    collection_id: Annotated[TextFilter, Query(alias="collectionId")] = "",
    granule_id: Annotated[TextFilter, Query(alias="granuleId")] = "",
) -> Response:
    """Show one finding: what the catalog says beside what S3 says, and what differs."""
    words = WORDS[kind]
    key = {"collectionId": collection_id, "granuleId": granule_id, "keyPath": key_path}
    filters = Filters(collection_id=collection_id or None, granule_id=granule_id or None, key_prefix=key_path)
    report = Report(words.kind, job_id, settings_of(request).grace, filters)
    # The key less its last character comes right before it, or nearly so: PostgreSQL starts to look from there.
    after = tuple(key_path[:-1] if name == "keyPath" else key[name] for name in words.kind.key)
    async with database_of(request).reading() as connection:
        job = await store.get_job(connection, job_id)
        found, _ = await report.read(connection, limit=1, after=after)
    if not found or found[0].key(words.kind) != tuple(key[name] for name in words.kind.key):
        raise HTTPException(404, f"Job {job_id} found nothing like that")
    (finding,) = as_dicts(found)
    sides = sides_of(finding, words, job.compared_fields)
    return render(request, "finding.html", job=job, words=words, tab=kind, finding=finding, sides=sides)


def _downloads(request: Request, job_id: int, kind: str, chosen: dict[str, str]) -> list[tuple[str, str]]:
    """Give the files to download: what is filtered, and for S3 to work on, nothing pending unless that is asked for."""
    formats = {
        "CSV": {"format": "csv"},
        "CSV for a spreadsheet": {"format": "csv", "spreadsheet": "true"},
        "NDJSON": {"format": "ndjson"},
        "Parquet": {"format": "parquet"},
    }
    if kind != "phantoms":  # what is not in S3, S3 can do nothing with
        name = "S3 Batch" if "pending" in chosen else "S3 Batch without what is pending"
        formats[name] = {"format": "s3batch", "pending": chosen.get("pending", "false")}
    report = Links(request)(f"list_{kind}", id=job_id)
    return [(name, f"{report}?{urlencode(chosen | how)}") for name, how in formats.items()]
