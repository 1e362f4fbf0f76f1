"""`/metrics`: what this process did, and what the database says of all of them, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import lru_cache

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Row
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.documented import problems
from app.api.parameters import database_of
from app.db.queries import Queries

SQL = Queries("app.jobs", "metrics.sql")

REQUESTS = Counter("orca_reconcile_http_requests_total", "Requests answered", ["method", "route", "status"])
REQUEST_SECONDS = Histogram("orca_reconcile_http_request_seconds", "Time until the answer began", ["method", "route"])

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **problems(parameters=False)}
)
async def metrics(request: Request) -> Response:
    """Give all metrics, in the text format of Prometheus."""
    async with database_of(request).reading() as connection:
        runs = (await connection.execute(SQL["runs"])).all()
        successes = (await connection.execute(SQL["newest_successes"])).all()
    shared = CollectorRegistry()
    shared.register(_InDatabase(runs, successes))
    return Response(generate_latest(REGISTRY) + generate_latest(shared), media_type=CONTENT_TYPE_LATEST)


class _InDatabase(Collector):
    """What every replica would say, since it is in the database."""

    def __init__(self, runs: Iterable[Row[tuple[object, ...]]], successes: Iterable[Row[tuple[object, ...]]]) -> None:
        self._runs = list(runs)
        self._successes = list(successes)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        runs = GaugeMetricFamily("orca_reconcile_runs", "Runs that are kept, by state", labels=["state", "engine"])
        for row in self._runs:
            runs.add_metric([row.state, row.engine], row.runs)
        yield runs
        queued = sum(row.runs for row in self._runs if row.state == "queued")
        yield GaugeMetricFamily("orca_reconcile_queue_depth", "Runs that wait for a runner", value=queued)
        age = GaugeMetricFamily(
            "orca_reconcile_newest_success_age_seconds",
            "Time since an archive location was last reconciled",
            labels=["archive_location"],
        )
        inventory_age = GaugeMetricFamily(
            "orca_reconcile_newest_inventory_age_seconds",
            "Age of the inventory that was reconciled last",
            labels=["archive_location"],
        )
        findings = GaugeMetricFamily(
            "orca_reconcile_findings", "Findings of the newest success", labels=["archive_location", "kind"]
        )
        for row in self._successes:
            location = row.orca_archive_location
            age.add_metric([location], float(row.age))
            inventory_age.add_metric([location], float(row.inventory_age))
            for kind, number in (("phantom", row.phantoms), ("orphan", row.orphans), ("mismatch", row.mismatches)):
                findings.add_metric([location, kind], number)
        yield from (age, inventory_age, findings)


class Measured:
    """Counts and times requests by their route's template, so that ids make no new series."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at how its answer begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                requests, seconds = _series(scope["method"], route, message["status"])
                requests.inc()
                seconds.observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, measured)


@lru_cache(maxsize=1024)
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Find where a request is counted and timed. The library takes three times as long to find it as to count."""
    return REQUESTS.labels(method, route, status), REQUEST_SECONDS.labels(method, route)
