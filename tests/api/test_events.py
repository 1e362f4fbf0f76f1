from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
from sqlalchemy import text

from app.db.engine import Database
from app.jobs.feed import Feed
from app.jobs.requests import cancel, submit
from app.settings import Settings
from tests.support.manifests import row, write

JOB = """
    INSERT INTO orca.reconcile_job (orca_archive_location, status_id, inventory_creation_time, start_time, last_update)
    VALUES ('orca-archive', 5, now(), now(), now()) RETURNING id
"""


async def ended_job(database: Database) -> int:
    async with database.transaction() as connection:
        return int((await connection.execute(text(JOB))).scalar_one())


def events(body: str) -> list[dict[str, str]]:
    return [
        dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        for block in body.split("\n\n")
        if "data: " in block
    ]


async def test_a_job_that_has_ended_says_so_and_the_stream_ends(client: httpx.AsyncClient, database: Database) -> None:
    answer = await client.get(f"/jobs/{await ended_job(database)}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    (event,) = events(answer.text)
    assert event["event"] == "status"
    assert json.loads(event["data"])["status"] == "success"


async def test_a_listener_that_comes_back_is_not_told_again(client: httpx.AsyncClient, database: Database) -> None:
    job = await ended_job(database)
    (event,) = events((await client.get(f"/jobs/{job}/events")).text)
    again = await client.get(f"/jobs/{job}/events", headers={"Last-Event-ID": event["id"]})
    assert events(again.text) == []


async def test_a_job_is_followed_to_its_end(database: Database, settings: Settings, tmp_path: Path) -> None:
    job, _ = await submit(database, settings, manifest_url=write(tmp_path, [row("a")]))
    feed = Feed(database)

    async def follow() -> list[tuple[str, str]]:
        return [(kind, seen.status) async for kind, _, seen in feed.changes(job.id)]

    followers = [asyncio.create_task(follow()) for _ in range(20)]
    await asyncio.sleep(0.7)
    await cancel(database, job.id)
    for told in await asyncio.gather(*followers):
        assert told == [("status", "getting S3 list"), ("status", "error")]


async def test_nobody_follows_a_job_that_is_not_there(client: httpx.AsyncClient) -> None:
    answer = await client.get("/jobs/99/events")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/no-such-job")


async def test_metrics_tell_of_requests_and_findings(client: httpx.AsyncClient, database: Database) -> None:
    await ended_job(database)
    await client.get("/jobs")
    text_format = (await client.get("/metrics")).text
    assert 'orca_reconcile_http_requests_total{method="GET",route="/jobs",status="200"}' in text_format
    assert "orca_reconcile_queue_depth 0.0" in text_format
