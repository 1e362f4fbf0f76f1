"""The page that asks for a token, and the ways that lead nowhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from app.api.login import path_here
from app.api.parameters import settings_of
from app.dashboard.site import PageRoute, render

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/login")
async def login_page(
    request: Request,
    onward: Annotated[str, Query(alias="next")] = "",
    refused: bool = False,  # noqa: FBT001, FBT002  (a query's parameter)
    over: bool = False,  # noqa: FBT001, FBT002
    undone: bool = False,  # noqa: FBT001, FBT002
) -> Response:
    """Ask for a token; where none is set there is nothing to ask for."""
    onward = path_here(request, onward)
    if not settings_of(request).guarded:
        return RedirectResponse(onward, 303)
    return render(
        request, "login.html", 401 if refused else 200, onward=onward, refused=refused, over=over, undone=undone
    )


@router.get("/dashboard/{rest:path}")
async def no_such_page(rest: str) -> Response:
    """Say that there is no such page."""
    raise HTTPException(404, f"There is nothing at {rest}")
