"""Puts the pages into the application."""

from __future__ import annotations

from fastapi import FastAPI

from app.api.security import BY_METHOD
from app.dashboard import assets, changes, jobs, locations, login, reports


def install(app: FastAPI) -> None:
    """Serve the pages; those with something to read ask for who reads them, the one that asks for a token does not."""
    assets.mount(app)
    # `changes` comes before `reports`, which would take its address for a kind of findings.
    for module in (locations, jobs, changes, reports):
        app.include_router(module.router, dependencies=[BY_METHOD])
    app.include_router(login.router)
