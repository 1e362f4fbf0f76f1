"""Past every bound there is a clear answer, and afterwards all is as before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import text
from starlette.types import Message

from app.api import events
from app.api.body_limit import LARGEST_BODY
from app.db.engine import Database
from app.jobs.deletion import WITHDRAWN
from app.settings import Settings
from tests.api.problem import problem_of
from tests.api.test_events import ended_job
from tests.reports.published import Row, add_job, add_rows, publish


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, max_requests=3, max_exports=1, request_seconds=0.5, stream_seconds=1)


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    @app.get("/stuck")
    async def stuck() -> None:
        async with app.state.database.reading() as connection:
            await connection.execute(text("SELECT pg_sleep(60)"))

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def drops() -> AsyncIterator[bytes]:
            while True:
                yield b"drop"
                await asyncio.sleep(0.05)

        return StreamingResponse(drops())

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_a_request_that_takes_too_long_ends(client: httpx.AsyncClient, database: Database) -> None:
    answer = await client.get("/stuck")
    assert "0.5 s" in problem_of(answer, 503, "took-too-long")["detail"]
    assert answer.headers["retry-after"]
    async with asyncio.timeout(5), database.reading() as connection:
        sleeping = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'active' AND query LIKE 'SELECT pg_sleep%'"
        )
        while (await connection.execute(sleeping)).scalar_one():
            await asyncio.sleep(0.05)


async def test_a_deletion_that_takes_too_long_has_made_progress(client: httpx.AsyncClient, database: Database) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, "phantoms", [Row("1"), Row("2")])
    await add_rows(database, job_id, "orphans", [Row("3")])
    await publish(database, job_id)
    async with database.engine.connect() as holder:
        await holder.execute(text("LOCK TABLE orca.reconcile_orphan_report IN SHARE MODE"))
        problem_of(await client.delete(f"/jobs/{job_id}"), 503, "took-too-long")
        await holder.rollback()
    left = (await client.get(f"/jobs/{job_id}")).json()
    assert (left["status"], left["errorMessage"], left["reportTotals"]) == ("error", WITHDRAWN, None)
    async with database.reading() as connection:
        assert not await connection.scalar(text("SELECT count(*) FROM orca.reconcile_phantom_report"))
    assert (await client.delete(f"/jobs/{job_id}")).status_code == 204
    problem_of(await client.get(f"/jobs/{job_id}"), 404, "no-such-job")


async def test_a_body_that_never_comes_ends_too(app: FastAPI) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.sleep(60)
        return {"type": "http.request"}

    headers = [(b"host", b"test"), (b"content-length", b"9"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/jobs",
        "raw_path": b"/jobs",
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "server": ("test", 80),
        "root_path": "",
        "http_version": "1.1",
    }
    async with asyncio.timeout(5):
        await app(scope, receive, send)
    assert sent[0]["status"] == 503


async def test_a_body_that_comes_in_pieces_may_be_no_larger(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * (LARGEST_BODY // 4)

    answer = await client.post("/jobs", content=pieces(), headers={"Content-Type": "application/json"})
    problem_of(answer, 413, "body-too-large")


async def test_more_requests_than_there_may_be_are_sent_away(client: httpx.AsyncClient) -> None:
    stuck = [asyncio.create_task(client.get("/stuck")) for _ in range(3)]
    await asyncio.sleep(0.2)
    answer = await client.get("/jobs")
    problem_of(answer, 503, "too-busy")
    assert answer.headers["retry-after"]
    assert (await client.get("/healthz")).status_code == 200
    await asyncio.gather(*stuck)
    assert (await client.get("/jobs")).status_code == 200


async def test_requests_that_find_no_free_connection_are_told_in_time(
    app: FastAPI, client: httpx.AsyncClient, database: Database
) -> None:
    app.state.database = Database.at(database.url, pool_size=1)
    async with app.state.database.reading():
        answers = await asyncio.gather(*(client.get("/jobs") for _ in range(3)))
    for answer in answers:
        problem_of(answer, 503, "took-too-long")
        assert answer.headers["retry-after"]
    assert (await client.get("/jobs")).status_code == 200
    await app.state.database.dispose()


def test_workers_and_exports_leave_connections_for_requests() -> None:
    assert Settings().connections == 10
    assert Settings(workers=4, max_exports=10).connections == 25


async def test_a_stream_has_its_own_time(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(5):
        answer = await client.get("/endless")
    assert len(answer.content) > 4 * 12, "longer than a request may take"


async def test_more_exports_than_there_may_be_are_sent_away(
    app: FastAPI, client: httpx.AsyncClient, database: Database
) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, "orphans", [Row("k")])
    await publish(database, job_id)
    path = f"/reports/{job_id}/orphans?format=csv"
    app.state.exports.open = 1
    answer = await client.get(path)
    problem_of(answer, 503, "too-many-exports")
    assert answer.headers["retry-after"]
    app.state.exports.open = 0
    for _ in range(3):
        assert (await client.get(path)).status_code == 200
        assert (await client.get("/reports/999/orphans?format=csv")).status_code == 404
    assert app.state.exports.open == 0


async def test_more_event_streams_than_there_may_be_are_sent_away(
    app: FastAPI, client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_STREAMS", 1)
    path = f"/jobs/{await ended_job(database)}/events"
    app.state.streams.open = 1
    problem_of(await client.get(path), 503, "too-many-streams")
    app.state.streams.open = 0
    for _ in range(2):
        assert (await client.get(path)).status_code == 200
        assert (await client.get("/jobs/999/events")).status_code == 404
    assert app.state.streams.open == 0


@pytest.mark.parametrize("path", ["/healthz", "/jobs", "/jobs/1", "/nothing", "/reports/1/orphans?limit=0", "/docs"])
async def test_every_answer_has_the_headers_that_browsers_heed(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert ("script-src 'self' 'sha256-" in policy) == (path == "/docs")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in answer.headers
    assert "strict-transport-security" in (await client.get(f"https://test{path}")).headers


async def test_static_files_may_be_kept_and_are_asked_for_again(client: httpx.AsyncClient) -> None:
    assert (await client.get("/docs/assets/swagger-ui.css")).headers["cache-control"] == "private, no-cache"
