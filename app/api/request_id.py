"""The id that every request has, and the last resort for what nobody expected."""

from __future__ import annotations

import re
import secrets

import structlog
from opentelemetry import trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problems

HEADER = b"x-request-id"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger()


class RequestId:
    """Give every answer an `X-Request-ID`, the caller's own where it is sane, and log under it.

    An exception that came this far is a defect or a lost database: the client gets a problem, the log the trace.
    Plain ASGI, because a middleware that wraps requests and responses costs as much as a page; and headers as they are,
    because a view of them costs more than all else here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == HEADER), "")
        request_id = given if _SANE.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], (HEADER, request_id.encode())]
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=request_id)
        trace.get_current_span().set_attribute("orca_reconcile.request_id", request_id)
        try:
            await self.app(scope, receive, send_with_id)
        except Exception as error:
            problem = problems.of_error(error, request_id)
            log_failure(error, problem, scope)
            if started:
                # The client has half an answer: only a connection cut short tells it so.
                raise
            await problems.answer(problem)(scope, receive, send_with_id)


def log_failure(error: Exception, problem: problems.Problem, scope: Scope) -> None:
    """Log what the client was told, and for a defect its trace: that of a lost database tells nothing."""
    about = {"method": scope["method"], "path": scope["path"], "status": problem.status}
    if problem.status == 503:  # noqa: PLR2004  (503 is its own name)
        log.warning("request failed", **about, error=repr(error))
    else:
        log.error("request failed", **about, exc_info=error)
