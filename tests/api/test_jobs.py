"""Jobs over HTTP: what is answered, where it is said to be, and what bad input gets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.api.job_shapes import JobAnswer
from app.db.engine import Database
from app.db.keyset import Listing
from tests.api.problem import problem_of
from tests.reports.published import CREATED, CREATED_MS, HOUR_MS, Row, add_job, add_rows, publish

BEYOND_INT8 = 2**63
JOB_CALLS = [
    ("GET", "/jobs/{}"),
    ("POST", "/jobs/{}/reconcile"),
    ("POST", "/jobs/{}/cancel"),
    ("DELETE", "/jobs/{}"),
    ("GET", "/reports/{}"),
    ("GET", "/reports/{}/phantoms"),
    ("GET", "/reports/{}/orphans"),
    ("GET", "/reports/{}/mismatches"),
]
KEYS = [
    *("id", "jobId", "orcaArchiveLocation", "status", "inventoryCreationTime", "startTime", "lastUpdate", "endTime"),
    *("errorMessage", "reportTotals", "pendingTotals", "manifestUrl", "engine", "attempt", "progress"),
    *("inventoryObjects", "catalogFiles", "comparedFields", "warnings"),
]


async def test_a_submitted_manifest_is_a_queued_job(client: httpx.AsyncClient, manifest: Path) -> None:
    response = await client.post("/jobs", json={"manifestUrl": manifest.as_uri()})
    job = response.json()
    assert (response.status_code, response.headers["location"]) == (202, f"/jobs/{job['id']}")
    assert list(job) == KEYS
    assert (job["jobId"], job["status"], job["orcaArchiveLocation"]) == (job["id"], "getting S3 list", "orca-archive")
    assert (job["inventoryCreationTime"], job["manifestUrl"]) == (CREATED_MS, manifest.as_uri())
    assert (job["reportTotals"], job["endTime"], job["errorMessage"]) == (None, None, None)

    assert (await client.get(response.headers["location"])).json() == job
    again = await client.post("/jobs", json={"manifestUrl": manifest.as_uri()})
    assert (again.status_code, again.json()["id"]) == (200, job["id"])


@pytest.mark.parametrize("root_path", ["", "/orca-reconcile"])
async def test_location_holds_behind_a_proxy(app: Any, manifest: Path, root_path: str) -> None:
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.post("/jobs", json={"manifestUrl": manifest.as_uri()})
    assert response.headers["location"] == f"{root_path}/jobs/{response.json()['id']}"


async def test_manifests_that_cannot_be_taken(client: httpx.AsyncClient, manifest: Path) -> None:
    outside = await client.post("/jobs", json={"manifestUrl": "file:///etc/manifest.json"})
    problem_of(outside, 403, "forbidden-location")
    missing = await client.post("/jobs", json={"manifestUrl": manifest.with_name("missing.json").as_uri()})
    problem_of(missing, 404, "no-manifest")
    manifest.write_text("not JSON")  # noqa: ASYNC240  (a few bytes of a test)
    problem_of(await client.post("/jobs", json={"manifestUrl": manifest.as_uri()}), 422, "invalid-manifest")
    spark = await client.post("/jobs", json={"manifestUrl": manifest.as_uri(), "engine": "spark"})
    assert spark.status_code == 422


BAD_BODIES: list[tuple[object, str]] = [
    ({}, "body.manifestUrl"),
    ({"manifestUrl": 7}, "body.manifestUrl"),
    ({"manifestUrl": ""}, "body.manifestUrl"),
    ({"manifestUrl": "file:///a\0b"}, "body.manifestUrl"),
    ({"manifestUrl": "file:///a", "engine": "perl"}, "body.engine"),
    ({"manifestUrl": "file:///a", "rerun": "yes"}, "body.rerun"),
    ({"manifestUrl": "file:///a", "rerunn": True}, "body.rerunn"),
    ([], "body"),
    (None, "body"),
]


async def test_a_body_that_is_not_as_described(client: httpx.AsyncClient) -> None:
    for body, field in BAD_BODIES:
        problem = problem_of(await client.post("/jobs", json=body), 422, "invalid-request")
        assert [error["field"] for error in problem["errors"]] == [field]


NOT_JSON = {
    b"{": 422,
    b"": 422,
    b'{"manifestUrl": "\\ud800"}': 422,
    b'{"manifestUrl": "\xff"}': 400,
    b"[" * 100_000: 400,
    b"1" * 5000: 400,
    b'"' + b"a" * 2**21 + b'"': 413,
}


async def test_a_body_that_is_not_json(client: httpx.AsyncClient) -> None:
    for content, status in NOT_JSON.items():
        name = {400: "bad-request", 413: "body-too-large", 422: "invalid-request"}[status]
        response = await client.post("/jobs", content=content, headers={"Content-Type": "application/json"})
        problem_of(response, status, name)
    form = await client.post("/jobs", data={"manifestUrl": "file:///a"})
    assert "Content-Type: application/json" in problem_of(form, 422, "invalid-request")["detail"]


async def test_an_unknown_job(client: httpx.AsyncClient) -> None:
    for method, path in JOB_CALLS:
        for job_id in (1, 0, -1, BEYOND_INT8, 10**4000):
            problem_of(await client.request(method, path.format(job_id)), 404, "no-such-job")
        for junk in ("one", "1.5", "0x1", "%00", "1%002"):
            problem_of(await client.request(method, path.format(junk)), 422, "invalid-request")


@pytest.mark.parametrize("body", [None, b"{}", b"null", b'{"orcaArchiveLocation": "orca-archive", "engine": "auto"}'])
async def test_reconcile_queues_once(client: httpx.AsyncClient, database: Database, body: bytes | None) -> None:
    job_id = await staged_job(database)
    headers = {"content-type": "application/json"} if body else {}
    for _ in range(2):
        response = await client.post(f"/jobs/{job_id}/reconcile", content=body, headers=headers)
        assert (response.status_code, response.headers["location"]) == (202, f"/jobs/{job_id}"), response.text
        assert response.json()["status"] == "generating reports"
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM orca.reconcile_run")) == 1


async def staged_job(database: Database) -> int:
    """Stage a row as ORCA's own program does."""
    job_id = await add_job(database, status=2)
    async with database.transaction() as connection:
        await connection.execute(
            text("""
                CREATE TABLE orca.reconcile_s3_object_orca_archive
                PARTITION OF orca.reconcile_s3_object FOR VALUES IN ('orca-archive')
            """)
        )
        await connection.execute(
            text("""
                INSERT INTO orca.reconcile_s3_object VALUES (:id, 'orca-archive', 'k', 'e', now(), 1, 'GLACIER', false)
            """),
            {"id": job_id},
        )
    return job_id


async def test_what_speaks_against_reconciling(client: httpx.AsyncClient, database: Database) -> None:
    job_id = await staged_job(database)
    other = await client.post(f"/jobs/{job_id}/reconcile", json={"orcaArchiveLocation": "another"})
    problem_of(other, 422, "other-archive-location")
    spark = await client.post(f"/jobs/{job_id}/reconcile", json={"engine": "spark"})
    problem_of(spark, 422, "engine-unavailable")
    earlier = await add_job(database, status=2)
    problem_of(await client.post(f"/jobs/{earlier}/reconcile"), 409, "inventory-superseded")
    never = await add_job(database, status=4, bucket="never-staged")
    problem_of(await client.post(f"/jobs/{never}/reconcile"), 409, "not-staged")


async def test_cancel_and_delete(client: httpx.AsyncClient, database: Database) -> None:
    job_id = await staged_job(database)
    await client.post(f"/jobs/{job_id}/reconcile")
    problem_of(await client.delete(f"/jobs/{job_id}"), 409, "job-running")
    cancelled = await client.post(f"/jobs/{job_id}/cancel")
    assert cancelled.status_code == 202
    assert (cancelled.json()["status"], cancelled.json()["errorMessage"]) == ("error", "cancelled")
    problem_of(await client.post(f"/jobs/{job_id}/cancel"), 409, "job-ended")
    deleted = await client.delete(f"/jobs/{job_id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    problem_of(await client.get(f"/jobs/{job_id}"), 404, "no-such-job")


async def test_a_finished_job_says_what_was_found(client: httpx.AsyncClient, database: Database) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, "phantoms", [Row("1"), Row("2", catalog_time=CREATED)])
    await publish(database, job_id)
    response = await client.get(f"/jobs/{job_id}")
    job = response.json()
    assert job["reportTotals"] == {"orphan": 0, "phantom": 2, "catalogMismatch": 0}
    assert job["pendingTotals"] == {"orphan": 0, "phantom": 1, "catalogMismatch": 0}
    assert (job["inventoryObjects"], job["catalogFiles"]) == (7, 8)
    assert job["warnings"] == ["a warning"]
    times = [job[name] for name in ("inventoryCreationTime", "startTime", "lastUpdate", "endTime")]
    assert times == [CREATED_MS + hours * HOUR_MS for hours in range(4)]
    JobAnswer.model_validate_json(response.content, strict=True)


async def test_jobs_come_in_pages_newest_inventory_first(client: httpx.AsyncClient, database: Database) -> None:
    times = [datetime(2024, 6, day, 1, 2, 3, day, tzinfo=UTC) for day in (3, 1, 2, 2, 2)]
    ids = [await add_job(database, created=time, status=1 + number % 2) for number, time in enumerate(times)]
    expected = [ids[0], ids[4], ids[3], ids[2], ids[1]]
    for limit in range(1, 7):
        found: list[int] = []
        cursor: str | None = None
        while True:
            params: dict[str, str | int] = {"limit": limit} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/jobs", params=params)).json()
            assert list(page) == ["jobs", "anotherPage", "nextCursor"]
            found += [job["id"] for job in page["jobs"]]
            cursor = page["nextCursor"]
            assert page["anotherPage"] == (cursor is not None)
            if cursor is None:
                break
        assert found == expected


async def test_jobs_are_filtered(client: httpx.AsyncClient, database: Database) -> None:
    one = await add_job(database, status=5, bucket="a.b")
    two = await add_job(database, status=4, bucket="a-b")

    async def ids(**params: str) -> list[int]:
        return [job["id"] for job in (await client.get("/jobs", params=params)).json()["jobs"]]

    assert await ids(status="success") == [one]
    assert await ids(orcaArchiveLocation="a-b") == [two]
    assert await ids(status="success", orcaArchiveLocation="a-b") == []
    assert await ids(unknown="ignored") == [two, one]


async def test_a_cursor_of_jobs_is_good_for_its_own_filters_only(client: httpx.AsyncClient, database: Database) -> None:
    for _ in range(2):
        await add_job(database)
    cursor = (await client.get("/jobs?limit=1")).json()["nextCursor"]
    for narrower in ("status=success", "orcaArchiveLocation=orca-archive"):
        problem_of(await client.get(f"/jobs?{narrower}&cursor={cursor}"), 400, "invalid-cursor")


BAD_LISTINGS = {
    "limit=0": 422,
    "limit=1001": 422,
    "limit=x": 422,
    "status=done": 422,
    "status=": 422,
    "orcaArchiveLocation=%00": 422,
    "cursor=abc": 400,
    "cursor=": 400,
    "cursor=%00": 400,
}


async def test_bad_listings(client: httpx.AsyncClient) -> None:
    for query, status in BAD_LISTINGS.items():
        name = {400: "invalid-cursor", 422: "invalid-request"}[status]
        problem_of(await client.get(f"/jobs?{query}"), status, name)


async def test_a_cursor_of_a_time_that_cannot_be(client: httpx.AsyncClient) -> None:
    cursor = Listing("jobs", (None, None), (int, int)).cursor((2**63 - 1, 1))
    problem_of(await client.get("/jobs", params={"cursor": cursor}), 400, "invalid-cursor")


def test_times_before_the_epoch_are_whole_milliseconds_too() -> None:
    from app.api.shape import EPOCH, milliseconds  # noqa: PLC0415  (nothing else here needs it)

    assert milliseconds(EPOCH - timedelta(microseconds=1)) == -1
