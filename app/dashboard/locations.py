"""The first page: every archive location with its newest state; and a page for each, with its trend."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.exceptions import HTTPException

from app.api.parameters import database_of
from app.dashboard.site import PageRoute, render
from app.jobs import store
from app.reports.locations import read_affected, read_locations

router = APIRouter(route_class=PageRoute, include_in_schema=False)

NEWEST_JOBS = 10


@router.get("/")
async def locations_page(request: Request) -> Response:
    """Show every archive location, those with most phantoms first."""
    async with database_of(request).snapshot() as connection:
        locations = await read_locations(connection)
        sources = await store.get_jobs(connection, [one.found.job_id for one in locations if one.found])
    return render(request, "locations.html", locations=locations, sources=sources)


@router.get("/dashboard/locations/{name}")
async def location_page(
    request: Request, name: Annotated[str, Path(max_length=255, pattern=r"^[^\x00]*$")]
) -> Response:
    """Show one archive location: which collections lost files and since when, the trend, and the newest jobs."""
    async with database_of(request).snapshot() as connection:
        found = await read_locations(connection, name)
        if not found:
            raise HTTPException(404, f"There is no archive location {name}")
        (location,) = found
        source, losing = None, []
        if location.found:
            source = await store.get_job(connection, location.found.job_id)
            losing = await read_affected(connection, source.id, "phantom")
        jobs = await store.list_jobs(connection, status=None, archive_location=name, limit=NEWEST_JOBS, after=None)
    return render(request, "location.html", location=location, source=source, losing=losing, jobs=jobs)
