"""ORCA's own API: its paths, bodies, answers and errors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.db.engine import Database
from tests.reports.published import BEFORE_MS, CREATED, CREATED_MS, HOUR_MS, Row, add_job, add_rows, publish

JOBS = "/orca/datamanagement/reconciliation/internal/jobs"
KINDS = ("phantoms", "orphans", "mismatches")
BOTH = {
    "collectionId": "MOD09GQ___006",
    "granuleId": "MOD09GQ.A1",
    "filename": "a.hdf",
    "keyPath": "k",
    "orcaEtag": '"aaa"',
    "orcaGranuleLastUpdate": BEFORE_MS,
    "orcaSizeInBytes": 10,
    "orcaStorageClass": "GLACIER",
}
IN_S3 = {"s3Etag": '"bbb"', "s3FileLastUpdate": CREATED_MS, "s3StorageClass": "GLACIER"}
ITEMS: dict[str, dict[str, Any]] = {
    "phantoms": BOTH,
    "orphans": {"keyPath": "k", **IN_S3, "s3SizeInBytes": 10},
    "mismatches": {
        **BOTH,
        **IN_S3,
        "s3SizeInBytes": 11,
        "cumulusArchiveLocation": "cumulus-protected",
        "discrepancyType": "etag, size_in_bytes",
        "comment": "Error may be due to race condition, and should be checked manually.",
    },
}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("kind", KINDS)
async def test_findings(client: httpx.AsyncClient, database: Database, kind: str, slash: str) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, kind, [Row("k", s3_time=CREATED)])
    # ORCA's clients send no Content-Type, and the body's job is the one that counts.
    response = await client.post(
        f"{JOBS}/job/any/{kind}{slash}", content=f'{{"jobId": {job_id}, "pageIndex": 0, "x": 1}}'
    )
    assert response.status_code == 200
    assert response.json() == {"jobId": job_id, "anotherPage": False, kind: [ITEMS[kind]]}


@pytest.mark.parametrize("kind", KINDS)
async def test_pages_of_a_hundred(client: httpx.AsyncClient, database: Database, kind: str) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, kind, (Row(f"{number:03}") for number in range(200)))
    await publish(database, job_id)
    keys: list[str] = []
    for page_index, another in ((0, True), (1, False), (2, False), (10**15, False)):
        page = (await client.post(f"{JOBS}/job/1/{kind}", json={"jobId": job_id, "pageIndex": page_index})).json()
        assert page["anotherPage"] == another
        keys += [item["keyPath"] for item in page[kind]]
    assert keys == [f"{number:03}" for number in range(200)]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_not_there_has_no_findings(client: httpx.AsyncClient, database: Database, kind: str) -> None:
    not_ready = await add_job(database, status=3)
    await add_rows(database, not_ready, kind, [Row("half-written")])
    for job_id in (not_ready, 999, -1, 2**63):
        page = await client.post(f"{JOBS}/job/1/{kind}", json={"jobId": job_id, "pageIndex": 0})
        assert page.json() == {"jobId": job_id, "anotherPage": False, kind: []}


async def test_jobs(client: httpx.AsyncClient, database: Database) -> None:
    ours = await add_job(database)
    await add_rows(database, ours, "phantoms", [Row("1"), Row("2")])
    await publish(database, ours)
    orcas = await add_job(database, status=4, created=CREATED - timedelta(hours=1))
    await add_rows(database, orcas, "orphans", [Row("1")])
    for number in range(99):
        await add_job(database, status=2, created=CREATED - timedelta(days=1 + number))

    first = (await client.post(JOBS + "/", content='{"pageIndex": 0}')).json()
    assert (len(first["jobs"]), first["anotherPage"]) == (100, True)
    assert first["jobs"][0] == {
        "id": ours,
        "orcaArchiveLocation": "orca-archive",
        "status": "success",
        "inventoryCreationTime": CREATED_MS,
        "lastUpdate": CREATED_MS + 2 * HOUR_MS,
        "errorMessage": None,
        "reportTotals": {"orphan": 0, "phantom": 2, "catalogMismatch": 0},
    }
    assert first["jobs"][1]["reportTotals"] == {"orphan": 1, "phantom": 0, "catalogMismatch": 0}
    second = (await client.post(JOBS, json={"pageIndex": 1})).json()
    assert (len(second["jobs"]), second["anotherPage"]) == (1, False)


BAD_BODIES = (
    *("", "{", "[]", "{}", '{"pageIndex": "0", "jobId": 1}', '{"pageIndex": -1, "jobId": 1}'),
    *('{"pageIndex": 1.5, "jobId": 1}', '{"pageIndex": true, "jobId": 1}', f'{{"pageIndex": {2**63}, "jobId": 1}}'),
)


async def test_errors_are_orcas(client: httpx.AsyncClient) -> None:
    for path in (JOBS, *(f"{JOBS}/job/1/{kind}" for kind in KINDS)):
        for body in BAD_BODIES:
            response = await client.post(path, content=body, headers={"X-Request-ID": "mine"})
            error = response.json()
            assert (response.status_code, response.headers["content-type"]) == (400, "application/json"), body
            assert error.pop("message")
            assert error == {"errorType": "BadRequest", "httpStatus": 400, "requestId": "mine"}


async def test_a_lost_database_is_an_internal_error_of_orcas(app: FastAPI, client: httpx.AsyncClient) -> None:
    app.state.database = Database.at("postgresql://postgres@127.0.0.1:1/postgres")
    response = await client.post(JOBS, json={"pageIndex": 0})
    assert (response.status_code, response.json()["errorType"]) == (500, "InternalServerError")
    assert "database" in response.json()["message"]
