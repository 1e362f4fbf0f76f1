"""What an error becomes over HTTP: an RFC 9457 problem, mapped here once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ExceptionHandler

from app.api.shape import Shape
from app.db.retry import TIMED_OUT, may_pass, sqlstate
from app.db.unready import unready
from app.errors import (
    BadCursor,
    BadManifest,
    CrossSite,
    DatabaseNotReady,
    EngineUnavailable,
    InventorySuperseded,
    IssuerUnavailable,
    JobEnded,
    JobRunning,
    LocationForbidden,
    ManifestNotFound,
    NoSuchJob,
    NotAllowed,
    NotEarlier,
    NoToken,
    NotStaged,
    OtherArchiveLocation,
    ReconcileError,
    ReportNotReady,
    StorageUnavailable,
    TooBusy,
    TookTooLong,
    TooManyExports,
    TooManyStreams,
)
from app.reports.findings import BadFilter

METHOD_NOT_ALLOWED = 405
MEDIA_TYPE = "application/problem+json"
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")

STATUSES: dict[type[ReconcileError], int] = {
    BadCursor: 400,
    NoToken: 401,
    NotAllowed: 403,
    CrossSite: 403,
    LocationForbidden: 403,
    NoSuchJob: 404,
    ManifestNotFound: 404,
    ReportNotReady: 409,
    NotStaged: 409,
    InventorySuperseded: 409,
    JobEnded: 409,
    JobRunning: 409,
    BadManifest: 422,
    BadFilter: 422,
    OtherArchiveLocation: 422,
    NotEarlier: 422,
    EngineUnavailable: 422,
    StorageUnavailable: 503,
    IssuerUnavailable: 503,
    DatabaseNotReady: 503,
    TooManyStreams: 503,
    TooManyExports: 503,
    TooBusy: 503,
    TookTooLong: 503,
}
"""Every error that a request can meet; one that is not here is a defect, and answered as one."""

REFUSALS = {
    400: ("bad-request", "The request cannot be read"),
    404: ("not-found", "There is nothing here"),
    405: ("method-not-allowed", "That cannot be done here"),
    413: ("body-too-large", "The body is too large"),
}
"""What the framework itself refuses."""

HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}


class InvalidField(Shape):
    """One thing in a request that cannot be taken."""

    field: str = Field(description="where it is: `query.limit`, `body.engine`", examples=["query.limit"])
    message: str = Field(description="what is wrong with it", examples=["Input should be less than or equal to 1000"])


class Problem(Shape):
    """What went wrong, and what can be done about it (RFC 9457)."""

    type: str = Field(description="the kind of problem; stable", examples=["/problems/no-such-job"])
    title: str = Field(description="the kind of problem, for a person", examples=["No such job"])
    status: int = Field(description="the HTTP status", examples=[404])
    detail: str = Field(description="what is wrong this time", examples=["There is no job 42."])
    request_id: str = Field(description="that of X-Request-ID: the log knows it", examples=["5f0c2d9a7be14c33"])
    errors: list[InvalidField] | None = Field(default=None, description="for an invalid request: each thing refused")

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """Give the answer that says so."""
        return Response(self.model_dump_json(exclude_none=True), self.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer what a route raises on purpose with its problem; the rest is `RequestId`'s, who logs it."""
    app.add_exception_handler(ReconcileError, _on_reconcile_error)
    app.add_exception_handler(RequestValidationError, cast("ExceptionHandler", _on_invalid_request))
    app.add_exception_handler(HTTPException, cast("ExceptionHandler", _on_refusal))


def request_id(request: Request) -> str:
    """Give the id under which the log knows this request."""
    return str(request.state.request_id)


def of_error(error: Exception, request_id: str) -> Problem:
    """Put any error in words for a client: our own by their text, a lost database as such, all others as a defect."""
    error = unready(error) or error
    if sqlstate(error) == TIMED_OUT:
        error = TookTooLong("The database took longer over this than a request may take. Ask for less, or try again.")
    if not isinstance(error, ReconcileError) and may_pass(error):
        error = DatabaseNotReady("The database does not answer at the moment. Try again in a few seconds.")
    if not isinstance(error, ReconcileError) or type(error) not in STATUSES:
        error = ReconcileError("This is a defect of the service; its log says more under the request's id.")
    return Problem(
        type=f"/problems/{error.name}",
        title=error.title,
        status=STATUSES.get(type(error), 500),
        detail=str(error),
        request_id=request_id,
    )


def of_invalid_request(error: RequestValidationError, request_id: str) -> Problem:
    """Name each parameter and field that was refused, and why."""
    fields = [InvalidField(field=_place(one), message=_message(one)) for one in error.errors()]
    return Problem(
        type="/problems/invalid-request",
        title="The request is not valid",
        status=422,
        detail="; ".join(f"{one.field}: {one.message}" for one in fields) + ".",
        request_id=request_id,
        errors=fields,
    )


def answer(problem: Problem) -> Response:
    """Give the answer, with what its status asks for: how to sign in, when to come back."""
    return problem.response(HEADERS.get(problem.status))


async def _on_reconcile_error(request: Request, error: Exception) -> Response:
    problem = of_error(error, request_id(request))
    if type(error) not in STATUSES:
        raise error
    return answer(problem)


async def _on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    return of_invalid_request(error, request_id(request)).response()


async def _on_refusal(request: Request, error: HTTPException) -> Response:
    name, title = REFUSALS.get(error.status_code, (f"http-{error.status_code}", error.detail))
    detail = {
        404: f"There is nothing at {request.url.path}; /docs shows what there is.",
        405: f"{request.url.path} does not take {request.method}; /docs shows what it takes.",
    }.get(error.status_code, f"{error.detail}.")
    return Problem(
        type=f"/problems/{name}", title=title, status=error.status_code, detail=detail, request_id=request_id(request)
    ).response(_headers(request, error))


def _headers(request: Request, error: HTTPException) -> Mapping[str, str] | None:
    """Give what the framework says, and all that a path takes: it knows only what the first of its routes does."""
    if error.status_code != METHOD_NOT_ALLOWED:
        return error.headers
    takes = [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
    return {**(error.headers or {}), "Allow": ", ".join(takes)}


def _place(error: Mapping[str, Any]) -> str:
    # Where JSON broke off, `body` is followed by the position, which is no field.
    location = error["loc"][:1] if error["type"] == "json_invalid" else error["loc"]
    return ".".join(str(step) for step in location)


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"This is not JSON: {error['ctx']['error']} at character {error['loc'][1]}"
    if error["loc"] == ("body",) and error["type"] != "missing":
        return "The body has to be a JSON object, sent with Content-Type: application/json"
    return str(error["msg"])
