from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from app.db.engine import Database
from app.main import create_app
from app.settings import ApiToken, Scope, Settings

OPEN = ["/healthz", "/readyz", "/docs", "/openapi.json"]


def entry(text: str, *scopes: Scope) -> ApiToken:
    return ApiToken(name=text, sha256=hashlib.sha256(text.encode()).hexdigest(), scopes=frozenset(scopes))


@pytest_asyncio.fixture(loop_scope="session")
async def guarded(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an application that asks for tokens."""
    settings = Settings(
        database_url=database.url,
        data_dir=tmp_path,
        api_tokens=(entry("reader", Scope.READ), entry("writer", Scope.READ, Scope.WRITE), entry("nobody")),
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            yield client


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize("headers", [{}, bearer("stranger"), bearer(""), {"Authorization": "Basic cmVhZGVyOg=="}])
async def test_a_stranger_is_asked_for_a_token(guarded: httpx.AsyncClient, headers: dict[str, str]) -> None:
    described = (await guarded.get("/openapi.json")).json()["paths"]
    closed = {path: methods for path, methods in described.items() if path not in OPEN}
    assert len(closed) > 10
    for path, methods in closed.items():
        for method in methods:
            answer = await guarded.request(method, re.sub(r"\{\w+\}", "1", path), headers=headers)
            assert (answer.status_code, answer.json().get("type")) == (401, "/problems/no-token"), (method, path)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_reader_may_look_and_not_touch(guarded: httpx.AsyncClient) -> None:
    assert (await guarded.get("/jobs", headers=bearer("reader"))).status_code == 200
    for method, path in (("POST", "/jobs"), ("POST", "/jobs/1/reconcile"), ("DELETE", "/jobs/1")):
        answer = await guarded.request(method, path, headers=bearer("reader"), json={"manifestUrl": "file:///m"})
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/not-allowed")
        assert "read" in answer.json()["detail"]


async def test_orcas_clients_read_with_post(guarded: httpx.AsyncClient) -> None:
    path = "/orca/datamanagement/reconciliation/internal/jobs"
    assert (await guarded.post(path, headers=bearer("reader"), json={"pageIndex": 0})).status_code == 200


async def test_a_writer_may_touch(guarded: httpx.AsyncClient) -> None:
    assert (await guarded.delete("/jobs/1", headers=bearer("writer"))).status_code == 404


async def test_a_token_without_scopes_opens_nothing(guarded: httpx.AsyncClient) -> None:
    assert (await guarded.get("/jobs", headers=bearer("nobody"))).status_code == 403


@pytest.mark.parametrize("path", OPEN)
async def test_what_runs_the_service_needs_no_token(guarded: httpx.AsyncClient, path: str) -> None:
    assert (await guarded.get(path)).status_code == 200


async def test_whose_token_it_was_is_in_the_run(guarded: httpx.AsyncClient, database: Database, manifest: Path) -> None:
    answer = await guarded.post("/jobs", headers=bearer("writer"), json={"manifestUrl": manifest.as_uri()})
    assert answer.status_code == 202
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT requested_by FROM orca.reconcile_run")) == "writer"
