"""What runs the service wants to know: is it alive, can it serve."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request

from app.api.documented import problems
from app.api.parameters import database_of
from app.api.shape import Shape
from app.db.migrations import require_migrated
from app.db.unready import READ_ONLY, is_read_only
from app.errors import DatabaseNotReady

router = APIRouter(tags=["operations"])


class Alive(Shape):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(Shape):
    """The database is reachable and migrated, and can be written to."""

    status: Literal["ready"] = "ready"


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def get_health() -> Alive:
    """Tell that the process is alive; nothing else is looked at."""
    return Alive()


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=problems(parameters=False, token=False))
async def get_readiness(request: Request) -> Ready:
    """Tell whether the database is reachable, can be written to, and is of the version that this service is for."""
    await require_migrated(database_of(request))
    if await is_read_only(database_of(request)):
        raise DatabaseNotReady(READ_ONLY)
    return Ready()
