"""The frame of all pages: the templates, and what becomes of an error on a page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from app.api import problems
from app.api.login import path_here
from app.api.parameters import settings_of
from app.api.problems import HEADERS, Problem, request_id
from app.api.request_id import log_failure
from app.api.session import COOKIE
from app.dashboard import words
from app.errors import NoToken

TEMPLATES = Environment(
    loader=PackageLoader("app.dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {
    "number": words.number,
    "size": words.size,
    "moment": words.moment,
    "stamp": words.stamp,
    "day": words.day,
    "discrepancy": words.discrepancy,
    "counted": words.counted,
}
TEMPLATES.globals |= {
    name: getattr(words, name) for name in ("STATUSES", "WORDS", "PENDING", "LABELS", "DISCREPANCIES", "NOT_CARRIED")
}
TEMPLATES.globals["HAS_CHARTS"] = find_spec("plotly") is not None


class Links:
    """Paths of this service, below whatever path it is served under, with the parameters that are not None."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._root = str(request.scope.get("root_path", ""))

    def __call__(self, route: str, query: dict[str, Any] | None = None, /, **path: object) -> str:
        """Give the path of a route by its name."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        asked = f"?{urlencode(given)}" if given else ""
        return f"{self._root}{self._request.app.url_path_for(route, **path)}{asked}"


def render(request: Request, template: str, answer: int = 200, /, **context: Any) -> HTMLResponse:
    """Answer with a page."""
    body = TEMPLATES.get_template(template).render(
        link=Links(request), path=request.url.path, signed_in=settings_of(request).guarded, **context
    )
    return HTMLResponse(body, answer, HEADERS.get(answer))


def go(request: Request, route: str, query: dict[str, Any] | None = None, /, **path: object) -> RedirectResponse:
    """Lead the browser on to another page."""
    return RedirectResponse(Links(request)(route, query, **path), 303)


class PageRoute(APIRoute):
    """A route whose errors are pages; who has not signed in is led to where one does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route's handler."""
        handle = super().get_route_handler()

        async def handle_as_page(request: Request) -> Response:
            try:
                return await handle(request)
            except NoToken:
                return _to_login(request)
            except RequestValidationError as error:
                problem = problems.of_invalid_request(error, request_id(request))
            except HTTPException as error:
                problem = Problem(
                    type="about:blank",
                    title="There is no such page" if error.status_code == 404 else error.detail,  # noqa: PLR2004
                    status=error.status_code,
                    detail="Go on from the first page.",
                    request_id=request_id(request),
                )
            except Exception as error:  # noqa: BLE001  (whatever it is, the answer is a page, and the log knows)
                problem = problems.of_error(error, request_id(request))
                if type(error) not in problems.STATUSES:
                    log_failure(error, problem, request.scope)
            return render(request, "problem.html", problem.status, problem=problem)

        return handle_as_page


def _to_login(request: Request) -> Response:
    undone = request.method != "GET"
    # What a button sent is gone; the page that has the button is not.
    address = request.headers.get("referer", "") if undone else str(request.url)
    onward = path_here(request, "".join(f"/{path}" for path in address.split("/", 3)[3:]))
    over = COOKIE in request.cookies
    return go(request, "login_page", {"next": onward, "over": 1 if over else None, "undone": 1 if undone else None})
