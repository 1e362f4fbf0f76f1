"""The application: the database, the runner and the routes, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from app import tracing
from app.api import changes, docs, events, jobs, login, metrics, openapi, operations, orca, problems, reports
from app.api.body_limit import BodyLimit
from app.api.bounds import Bounds
from app.api.exports import Exports
from app.api.headers import SecurityHeaders
from app.api.issuer import Issuer
from app.api.request_id import RequestId
from app.api.security import BY_METHOD, MAY_READ
from app.dashboard import installing as dashboard
from app.db.alongside import alongside
from app.db.opening import open_database
from app.db.reader import Reader
from app.jobs.feed import Feed
from app.jobs.retention import keep_purging
from app.jobs.runner import Runner
from app.reports.backlog import keep_summing_up
from app.settings import Settings

TELEMETRY = TelemetryConfig(metrics=False, logs=False, operation_spans=False, auto_configure=False)
"""Of FastAPI's own telemetry only the span of each request: metrics are for Prometheus, and logs are lines."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; it opens the database and starts to work when a server starts it."""
    settings = settings or Settings()
    app = FastAPI(
        title=openapi.TITLE,
        summary=openapi.SUMMARY,
        description=openapi.DESCRIPTION,
        version=version("orca-reconcile"),
        openapi_tags=openapi.TAGS,
        generate_unique_id_function=openapi.operation_id,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=TELEMETRY,
    )
    app.state.settings = settings
    app.state.exports = Exports()
    app.state.issuer = Issuer(settings) if settings.oidc_issuer else None
    for module in (reports, jobs, events, changes):
        app.include_router(module.router, dependencies=[BY_METHOD])
    for module in (orca, metrics):
        app.include_router(module.router, dependencies=[MAY_READ])
    for module in (operations, login):
        app.include_router(module.router)
    docs.install(app)
    dashboard.install(app)
    openapi.install(app)
    problems.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Bounds, settings=settings)
    app.add_middleware(metrics.Measured)
    app.add_middleware(RequestId)
    app.add_middleware(SecurityHeaders)  # the last one added is the first to see a request
    return app


def openapi_document() -> dict[str, Any]:
    """Generate the OpenAPI document; no database is needed, and it is the same every time."""
    return create_app(Settings()).openapi()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    with tracing.exporting():
        async with (
            open_database(settings) as database,
            Reader.at(database.url) as reader,
            Reader.at(database.url, "force_custom_plan") as filtering_reader,
            Runner(database, settings),
            alongside(keep_purging(database, settings.retention_days)),
            alongside(keep_summing_up(database, settings.grace)),
        ):
            app.state.database = database
            app.state.reader = reader
            app.state.filtering_reader = filtering_reader
            app.state.streams = events.Streams(Feed(database))
            yield
