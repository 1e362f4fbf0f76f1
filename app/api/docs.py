"""`/docs` from an installed wheel: reading the API asks no other host for anything."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import as_file, files

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from app.api.headers import POLICY

ASSETS = "/docs/assets"

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def show_docs(request: Request) -> HTMLResponse:
    """Show the API, to read and to try."""
    root = request.scope.get("root_path", "")
    page = get_swagger_ui_html(
        openapi_url=f"{root}{request.app.openapi_url}",
        title=f"{request.app.title}: API",
        swagger_js_url=f"{root}{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{root}{ASSETS}/favicon.png",
    )
    # Swagger UI is started by a script in the page, which is let through by its hash.
    started = b"".join(re.findall(rb"<script>(.*?)</script>", bytes(page.body), re.DOTALL))
    digest = base64.b64encode(hashlib.sha256(started).digest()).decode()
    page.headers["Content-Security-Policy"] = f"{POLICY}; script-src 'self' 'sha256-{digest}'"
    return page


def install(app: FastAPI) -> None:
    """Serve `/docs` and the script and style that Swagger UI consists of."""
    with as_file(files("fastapi_offline") / "static") as folder:
        app.mount(ASSETS, StaticFiles(directory=folder), name="docs")
    app.include_router(router)
