"""Styles, our own scripts, and the chart library's script as it lies in its installed wheel."""

from __future__ import annotations

from importlib.resources import as_file, files

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.dashboard.site import TEMPLATES

OWN = "/dashboard/static"
CHARTS = "/dashboard/charts"


class Kept(StaticFiles):
    """Files that a browser keeps for an hour: they change with a release only."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file."""
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", "max-age=3600")
        return response


def mount(app: FastAPI) -> None:
    """Serve the files."""
    with as_file(files("app.dashboard") / "static") as folder:
        app.mount(OWN, Kept(directory=folder), name="dashboard-static")
    if TEMPLATES.globals["HAS_CHARTS"]:  # without the extra `charts` the same numbers are there as tables
        with as_file(files("plotly") / "package_data") as folder:
            app.mount(CHARTS, Kept(directory=folder), name="dashboard-charts")
