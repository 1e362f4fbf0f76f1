"""What changed since an earlier job: what is new, what is resolved, and what persists since when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.parameters import Cursor, JobId, JobIdNumber, database_of, settings_of
from app.dashboard.reports import KindName
from app.dashboard.site import Links, PageRoute, go, render
from app.dashboard.words import WORDS
from app.jobs import store
from app.reports.change_pages import MOST_JOBS, Change
from app.reports.changes import Wanted, read_changes
from app.reports.findings import as_dicts
from app.reports.pairs import Pair, Published

router = APIRouter(prefix="/dashboard/jobs", route_class=PageRoute, include_in_schema=False)

PAGE = 50
OFFERED = 50


@router.get("/{id}/changes")
async def changes_page(
    request: Request,
    job_id: JobId,
    kind: KindName = "phantoms",
    change: Change = "new",
    against: JobIdNumber | None = None,
    min_jobs: Annotated[int, Query(alias="minJobs", ge=1, le=MOST_JOBS)] = 1,
    cursor: Cursor = None,
) -> Response:
    """Show how many findings are new, resolved and persisting, and a page of one kind with since when each is there."""
    asked = dict(request.query_params)
    if "" in asked.values():  # a form sends what was left empty, too
        return go(request, "changes_page", {name: value for name, value in asked.items() if value}, id=job_id)
    words = WORDS[kind]
    wanted = Wanted(words.kind, change, min_jobs, PAGE, cursor)
    compared = await read_changes(
        database_of(request), job_id, grace=settings_of(request).grace, against=against, wanted=wanted
    )
    link = Links(request)
    base = {"against": against, "minJobs": None if min_jobs == 1 else min_jobs}
    page = compared.page
    assert page is not None  # noqa: S101  (one was wanted)
    shown_in = compared.pair.against.job_id if change == "resolved" and compared.pair.against else job_id
    async with database_of(request).reading() as connection:
        job = await store.get_job(connection, job_id)
        source = await store.get_job(connection, shown_in)
    return render(
        request,
        "changes.html",
        job=job,
        source=source,
        words=words,
        tab="changes",
        change=change,
        min_jobs=min_jobs,
        compared=compared,
        earlier=_offered(compared.pair),
        counts=sorted({1, 2, 3, 5, 10, min_jobs}),
        findings=as_dicts(page.items),
        address=lambda kind, change: (
            link("changes_page", {"kind": kind, "change": change, **base}, id=job_id) + "#findings"
        ),
        detail=lambda finding: link(
            "finding_page", {name: finding[name] for name in words.kind.key}, id=shown_in, kind=kind
        ),
        next_href=page.next_cursor
        and link("changes_page", {"kind": kind, "change": change, **base, "cursor": page.next_cursor}, id=job_id)
        + "#findings",
        first_page=cursor is None,
    )


def _offered(pair: Pair) -> list[Published]:
    """Give the newest of the earlier jobs to choose from, and the one that is chosen, however old."""
    newest = list(pair.history[1 : OFFERED + 1])
    return newest if pair.against is None or pair.against in newest else [*newest, pair.against]
