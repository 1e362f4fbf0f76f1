from __future__ import annotations

import html
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from app.db.engine import Database
from app.demo import earlier_inventories
from tests.api.conftest import app, client, logged, manifest  # noqa: F401  (the application without a socket)
from tests.dashboard.chromium import browsing, chromium
from tests.reports.published import Row, add_job, add_rows, publish
from tests.support.postgres import Server
from tests.support.service import PATIENCE_S, command, serving

FILES = 6000


@dataclass(frozen=True)
class Served:
    """A service that has taken in what `make demo` does, with more findings: where it is, and what it should have found."""

    address: str
    folder: Path
    database_url: str
    expected: dict[str, Any]
    job_id: int
    bucket: str = "orca-archive"

    @property
    def manifest(self) -> str:
        return (self.folder / "inventory" / "manifest.json").as_uri()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(server: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    chromium()
    base = tmp_path_factory.mktemp("served")
    folder = base / "demo"
    async with server.fresh() as name:
        environment = {"RECONCILE_DATABASE_URL": server.url(name), "RECONCILE_DATA_DIR": str(base)}
        command("generate", "--files", str(FILES), "--out", str(folder), "--findings", "0.04")
        command("catalog", "load", str(folder / "catalog.csv"), **environment)
        with serving(base / "log", **environment) as (service, _):
            for path in (*earlier_inventories(folder), folder / "inventory" / "manifest.json"):
                job = reconcile(service, path.as_uri())
                assert job["errorMessage"] is None
            expected = json.loads((folder / "expected.json").read_text())
            yield Served(str(service.base_url).rstrip("/"), folder, server.url(name), expected, job["id"])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as browser:
        yield browser


def reconcile(service: httpx.Client, manifest_url: str) -> dict[str, Any]:
    job: dict[str, Any] = service.post("/jobs", json={"manifestUrl": manifest_url}).json()
    deadline = time.monotonic() + PATIENCE_S
    while job["status"] not in {"success", "error"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        job = service.get(f"/jobs/{job['id']}").json()
    return job


@pytest_asyncio.fixture(loop_scope="session")
async def job(database: Database) -> AsyncIterator[int]:
    """Publish a small report of each kind."""
    job_id = await add_job(database)
    await add_rows(database, job_id, "phantoms", [Row("a/1", collection_id="A"), Row("b/1", collection_id="B")])
    await add_rows(database, job_id, "orphans", [Row("o/<b>&1")])
    await add_rows(
        database,
        job_id,
        "mismatches",
        [Row("m/1", discrepancy="etag"), Row("m/2"), Row("m/3", discrepancy="size_in_bytes")],
    )
    await publish(database, job_id)
    yield job_id


def links(page: str) -> list[str]:
    """Give where a page leads."""
    return [html.unescape(link) for link in re.findall(r'href="([^"]*)"', page)]
