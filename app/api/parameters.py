"""Parameters that several routes take, and what a route takes from the application."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request
from pydantic import AfterValidator, Field

from app.api.problems import request_id
from app.db.engine import Database
from app.db.reader import Reader
from app.errors import NoSuchJob
from app.jobs.model import Requester
from app.jobs.store import INT8_MAX
from app.settings import Settings


def _within_int8(job_id: int) -> int:
    # PostgreSQL cannot even be asked for such a job, and a caller need not know why: there is none.
    if not 0 < job_id <= INT8_MAX:
        raise NoSuchJob(job_id)
    return job_id


JobIdNumber = Annotated[int, AfterValidator(_within_int8), Field(json_schema_extra={"format": "int64"})]
JobId = Annotated[JobIdNumber, Path(alias="id", description="the job's id", examples=[42])]
TextFilter = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=4096)]
LimitNumber = Annotated[int, Field(ge=1, le=1000, description="how many at most")]
Limit = Annotated[LimitNumber, Query()]
Cursor = Annotated[str | None, Query(description="`nextCursor` of the page before, as it is; none: the first page")]


def database_of(request: Request) -> Database:
    """Give the application's database."""
    database: Database = request.app.state.database
    return database


def reader_of(request: Request, *, filtered: bool) -> Reader:
    """Give the connections that read pages: of a whole report, or of one that filters narrow."""
    reader: Reader = request.app.state.filtering_reader if filtered else request.app.state.reader
    return reader


def settings_of(request: Request) -> Settings:
    """Give the application's settings."""
    settings: Settings = request.app.state.settings
    return settings


def requester_of(request: Request) -> Requester:
    """Say who asks, for the run's row."""
    return Requester(name=request.state.token_name, request_id=request_id(request))
