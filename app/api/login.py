"""Signing in with a browser: for a token a cookie, which no script can read and no other site can write with."""

from __future__ import annotations

import re
import time
from urllib.parse import parse_qs, urlencode

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from app.api.origin import check_origin
from app.api.parameters import settings_of
from app.api.security import bearer_of
from app.api.session import COOKIE, seal
from app.errors import NotAllowed, NoToken
from app.settings import ApiToken

router = APIRouter(include_in_schema=False)

LONGEST_COOKIE = 4000
LONGEST_PATH = 8000
KEPT_LONGER_S = 7 * 24 * 3600
"""How long a browser keeps the cookie past the session in it, by which it can be told that the session is over."""

log = structlog.get_logger()

_HERE = re.compile(rf"/(?![/\\])[^\\\x00-\x20\x7f]{{0,{LONGEST_PATH - 1}}}")
"""A path of this service. A browser takes `//host` and `/\\host` for another one, and drops control characters."""


@router.post("/login")
async def log_in(request: Request) -> RedirectResponse:
    """Take the form's `token`, give the session's cookie, and lead to the form's `next`, a path of this service.

    A browser whose token is not valid is led back to the page that asks for it, with `refused=1`; any other client gets
    the problem. Raises `NoToken`, `CrossSite`.
    """
    check_origin(request, proof=False)
    form = parse_qs((await request.body()).decode(errors="replace"))
    onward = path_here(request, form.get("next", [""])[0])
    text = form.get("token", [""])[0].strip()
    settings = settings_of(request)
    try:
        caller = await bearer_of(request, text)
    except NoToken:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        query = urlencode({"refused": "1", "next": onward})
        return RedirectResponse(f"{_root(request)}/login?{query}", 303)
    answer = RedirectResponse(onward, 303)
    if settings.guarded:
        log.info("login", who=caller.name)
        if isinstance(caller, ApiToken):
            value, seconds = seal(settings, caller), int(settings.session_hours * 3600)
        else:
            value, seconds = text, max(0, caller.ends - int(time.time()))
            if len(value) > LONGEST_COOKIE:
                raise NotAllowed(f"A browser cannot keep an access token of more than {LONGEST_COOKIE} characters.")
        answer.set_cookie(
            COOKIE,
            value,
            max_age=seconds + KEPT_LONGER_S,
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
    return answer


@router.post("/logout")
async def log_out(request: Request) -> RedirectResponse:
    """Take the cookie away, and lead to the page that asks for a token. Raises `CrossSite`."""
    check_origin(request, proof=False)
    answer = RedirectResponse(f"{_root(request)}/login", 303)
    answer.delete_cookie(COOKIE, path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax")
    return answer


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def path_here(request: Request, given: str) -> str:
    """Give the path to go on to; whatever would lead to another site leads to the first page."""
    return given if _HERE.fullmatch(given) else f"{_root(request)}/"
