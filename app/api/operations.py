"""What runs the service wants to know: is it alive, can it serve."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request

from app.api.documented import problems
from app.api.parameters import database_of
from app.api.shape import Shape
from app.db.migrations import require_migrated

router = APIRouter(tags=["operations"])


class Alive(Shape):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(Shape):
    """The database is reachable and migrated."""

    status: Literal["ready"] = "ready"


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def get_health() -> Alive:
    """Tell that the process is alive; nothing else is looked at."""
    return Alive()


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=problems(parameters=False, token=False))
async def get_readiness(request: Request) -> Ready:
    """Tell whether the database is reachable and at the version that this service was written for."""
    await require_migrated(database_of(request))
    return Ready()
