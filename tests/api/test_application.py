"""What holds for every answer: request ids, problems, health, documentation, and the application's life."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from starlette.types import Message, Receive, Scope, Send
from structlog.typing import EventDict

from app.api.request_id import RequestId
from app.db.engine import Database
from app.db.reader import Reader
from app.errors import Misconfigured
from app.main import create_app
from app.settings import Settings
from tests.api.problem import problem_of
from tests.reports.published import Row, add_job, add_rows, publish
from tests.support.postgres import Server


@pytest.mark.parametrize("given", ["abc", "A.b_c-1", "x" * 64])
async def test_a_sane_request_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    for path in ("/healthz", "/jobs/1", "/nothing", "/jobs?limit=0"):
        response = await client.get(path, headers={"X-Request-ID": given})
        assert response.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", [None, b"", b"x" * 65, b"a b", "é".encode(), b"<script>", b"a\tb"])
async def test_any_other_is_replaced(client: httpx.AsyncClient, given: bytes | None) -> None:
    headers = {} if given is None else {b"X-Request-ID": given}
    ids = {(await client.get("/healthz", headers=headers)).headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(re.fullmatch(r"[0-9a-f]{16}", one) for one in ids)


async def test_unknown_paths_and_methods(client: httpx.AsyncClient) -> None:
    problem_of(await client.get("/nothing"), 404, "not-found")
    problem_of(await client.get("/reports/1/oddities"), 404, "not-found")
    wrong = await client.put("/jobs")
    problem_of(wrong, 405, "method-not-allowed")
    assert "GET" in wrong.headers["allow"] or "POST" in wrong.headers["allow"]


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (RuntimeError("SELECT secret FROM orca.reconcile_job"), 500, "internal-error"),
        (ProgrammingError("SELECT secret", {}, Exception("asyncpg")), 500, "internal-error"),
        (Misconfigured("Traceback of asyncpg"), 500, "internal-error"),
        (ConnectionRefusedError("asyncpg"), 503, "database-unavailable"),
        (asyncpg.DeadlockDetectedError("SELECT"), 503, "database-unavailable"),
    ],
)
async def test_what_nobody_expected_leaks_nothing(
    app: FastAPI, logged: list[EventDict], error: Exception, status: int, name: str
) -> None:
    @app.get("/boom")
    async def boom() -> None:
        raise error

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.get("/boom", headers={"X-Request-ID": "mine"})
    problem = problem_of(response, status, name)
    assert problem["requestId"] == "mine"
    assert [(one["log_level"], one["path"]) for one in logged] == [("error" if status == 500 else "warning", "/boom")]
    assert (response.headers.get("retry-after") is not None) == (status == 503)


async def test_an_answer_that_had_begun_is_cut_short() -> None:
    sent = []

    async def half(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("after the start")

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(RuntimeError, match="after the start"):
        await RequestId(half)(scope, receive, send)
    assert len(sent) == 1


async def test_health_and_readiness(client: httpx.AsyncClient, database: Database) -> None:
    assert (await client.get("/healthz")).json() == {"status": "alive"}
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    assert [(await client.head(path)).status_code for path in ("/healthz", "/readyz")] == [200, 200]
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE orca.reconcile_service_version SET version_num = '0001'"))
    problem = problem_of(await client.get("/readyz"), 503, "database-unavailable")
    assert "orca-reconcile migrate" in problem["detail"]


async def test_without_a_database_it_is_alive_but_not_ready(app: FastAPI, client: httpx.AsyncClient) -> None:
    nowhere = "postgresql://postgres@127.0.0.1:1/postgres"
    app.state.database = Database.at(nowhere)
    async with Reader.at(nowhere) as reader:
        app.state.reader = reader
        assert (await client.get("/healthz")).status_code == 200
        for path in ("/readyz", "/jobs", "/reports/1/orphans"):
            problem_of(await client.get(path), 503, "database-unavailable")


@pytest.mark.parametrize(
    ("user", "name", "detail"),
    [("postgres", "nowhere", "does not exist"), ("nobody", "postgres", "refuses the login")],
)
async def test_a_database_that_cannot_be_used_is_said_to_be_so(
    app: FastAPI,
    client: httpx.AsyncClient,
    server: Server,
    logged: list[EventDict],
    user: str,
    name: str,
    detail: str,
) -> None:
    database = app.state.database = Database.at(server.url(name, user))
    async with Reader.at(server.url(name, user)) as reader:
        app.state.reader = reader
        for path in ("/readyz", "/jobs", "/reports/1/orphans"):
            assert detail in problem_of(await client.get(path), 503, "database-unavailable")["detail"]
    await database.dispose()
    assert {line["log_level"] for line in logged} == {"warning"}


async def test_before_the_migration_each_page_says_what_to_do(
    app: FastAPI, client: httpx.AsyncClient, server: Server
) -> None:
    database = app.state.database = Database.at(server.url())
    async with Reader.at(server.url()) as reader:
        app.state.reader = reader
        for path in ("/readyz", "/jobs", "/reports/1/orphans"):
            problem = problem_of(await client.get(path), 503, "database-unavailable")
            assert "orca-reconcile migrate" in problem["detail"]
    await database.dispose()


async def test_a_page_survives_the_loss_of_its_connection(client: httpx.AsyncClient, database: Database) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, "orphans", [Row("k")])
    await publish(database, job_id)
    lose = text("""
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name LIKE '%reader' AND datname = current_database()
    """)
    # Often, because the word of it reaches the service before, after or just when it asks for the next page.
    for _ in range(40):
        assert (await client.get(f"/reports/{job_id}/orphans")).status_code == 200
        async with database.reading() as connection:
            await connection.execute(lose)


async def test_the_docs_ask_no_other_host(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    addresses = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)""", page.text)
    assert addresses
    for address in addresses:
        assert address.startswith("/"), address
        assert (await client.get(address)).status_code == 200, address


async def test_it_starts_and_stops_with_a_database_of_its_own(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        assert (await client.get("/jobs")).json() == {"jobs": [], "anotherPage": False, "nextCursor": None}


async def test_it_does_not_migrate_a_database_that_is_not_its_own(server: Server, tmp_path: Path) -> None:
    async with server.fresh(template="template0") as name:
        app = create_app(Settings(data_dir=tmp_path, database_url=SecretStr(server.url(name))))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
        ):
            problem_of(await client.get("/readyz"), 503, "database-unavailable")
