"""Reports over HTTP: exactly ORCA's items, pages, filters, and what bad input gets."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.api.finding_shapes import FindingsPage, MismatchesPage, OrphansPage, PhantomsPage
from app.api.summary_shapes import SummaryAnswer
from app.db.engine import Database
from tests.api.problem import problem_of
from tests.reports.published import BEFORE_MS, CREATED, CREATED_MS, Row, add_job, add_rows, publish

KINDS: dict[str, type[FindingsPage]] = {"phantoms": PhantomsPage, "orphans": OrphansPage, "mismatches": MismatchesPage}
ALL_KINDS = pytest.mark.parametrize("kind", KINDS)
ITEM_KEYS = {
    "phantoms": [
        *("collectionId", "granuleId", "filename", "keyPath", "orcaEtag", "orcaGranuleLastUpdate", "orcaSizeInBytes"),
        *("orcaStorageClass", "comment"),
    ],
    "orphans": ["keyPath", "s3Etag", "s3FileLastUpdate", "s3SizeInBytes", "s3StorageClass", "comment"],
    "mismatches": [
        *("collectionId", "granuleId", "filename", "keyPath", "cumulusArchiveLocation", "orcaEtag", "s3Etag"),
        *("orcaGranuleLastUpdate", "s3FileLastUpdate", "orcaSizeInBytes", "s3SizeInBytes", "orcaStorageClass"),
        *("s3StorageClass", "discrepancyType", "comment"),
    ],
}


async def published(database: Database, kind: str, *rows: Row) -> int:
    job_id = await add_job(database)
    await add_rows(database, job_id, kind, rows)
    await publish(database, job_id)
    return job_id


@ALL_KINDS
async def test_a_page_is_what_openapi_says(client: httpx.AsyncClient, database: Database, kind: str) -> None:
    rows = [Row(f'a/"{number}"\n\\é\u2028', catalog_time=CREATED, s3_time=CREATED) for number in range(3)]
    job_id = await published(database, kind, *rows)
    response = await client.get(f"/reports/{job_id}/{kind}?limit=2")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    KINDS[kind].model_validate_json(response.content, strict=True)
    page = response.json()
    assert list(page) == ["jobId", "anotherPage", "nextCursor", kind]
    assert (page["jobId"], page["anotherPage"]) == (job_id, True)
    assert [list(item) for item in page[kind]] == [ITEM_KEYS[kind]] * 2
    assert [item["keyPath"] for item in page[kind]] == [row.key_path for row in rows[:2]]

    last = (await client.get(f"/reports/{job_id}/{kind}", params={"limit": 2, "cursor": page["nextCursor"]})).json()
    assert (last["anotherPage"], last["nextCursor"], len(last[kind])) == (False, None, 1)


@ALL_KINDS
async def test_an_empty_report_is_an_empty_page(client: httpx.AsyncClient, database: Database, kind: str) -> None:
    job_id = await published(database, kind)
    page = (await client.get(f"/reports/{job_id}/{kind}")).json()
    assert page == {"jobId": job_id, "anotherPage": False, "nextCursor": None, kind: []}


@ALL_KINDS
async def test_a_hundred_a_page_unless_asked(client: httpx.AsyncClient, database: Database, kind: str) -> None:
    job_id = await published(database, kind, *(Row(f"{number:04}") for number in range(1001)))
    sizes = [len((await client.get(f"/reports/{job_id}/{kind}{query}")).json()[kind]) for query in ("", "?limit=1000")]
    assert sizes == [100, 1000]


@ALL_KINDS
async def test_no_report_yet(client: httpx.AsyncClient, database: Database, kind: str) -> None:
    for status in (1, 2, 3, 4):
        job_id = await add_job(database, status=status)
        for path in (f"/reports/{job_id}/{kind}", f"/reports/{job_id}/{kind}?pending=true", f"/reports/{job_id}"):
            problem_of(await client.get(path), 409, "report-not-ready")


BAD_PARAMETERS = {
    "limit=0": 422,
    "limit=1001": 422,
    "limit=": 422,
    "pending=perhaps": 422,
    "keyPrefix=%00": 422,
    "format=xlsx": 422,
    "cursor=" + "a" * 20_000: 400,
    "cursor=%00": 400,
    "cursor=": 400,
    "cursor=e30": 400,
}


@ALL_KINDS
async def test_bad_parameters(client: httpx.AsyncClient, database: Database, kind: str) -> None:
    job_id = await published(database, kind, Row("k"))
    for query, status in BAD_PARAMETERS.items():
        name = {400: "invalid-cursor", 422: "invalid-request"}[status]
        problem = problem_of(await client.get(f"/reports/{job_id}/{kind}?{query}"), status, name)
        if status == 422:
            assert [error["field"] for error in problem["errors"]] == [f"query.{query.split('=', 1)[0]}"]


FOREIGN_FILTERS = [
    ("orphans", "collectionId=A", "Orphans cannot be filtered by collectionId, only by keyPrefix, pending."),
    ("orphans", "granuleId=A&discrepancyType=etag", "Orphans cannot be filtered by discrepancyType and granuleId"),
    ("phantoms", "discrepancyType=etag", "Phantoms cannot be filtered by discrepancyType"),
    ("mismatches", "discrepancyType=size", "discrepancyType is one of etag, size_in_bytes, storage_class"),
]


async def test_filters_that_the_findings_do_not_have(client: httpx.AsyncClient, database: Database) -> None:
    job_id = await published(database, "orphans")
    for kind, query, detail in FOREIGN_FILTERS:
        problem = problem_of(await client.get(f"/reports/{job_id}/{kind}?{query}"), 422, "invalid-filter")
        assert problem["detail"].startswith(detail)


async def test_filters_narrow_a_page_and_its_cursor(client: httpx.AsyncClient, database: Database) -> None:
    rows = [Row(f"%_{number}", "A" if number % 2 else "B", discrepancy="etag") for number in range(6)]
    job_id = await published(database, "mismatches", *rows, Row("x", "A"))
    path = f"/reports/{job_id}/mismatches"
    params: dict[str, Any] = {"collectionId": "A", "keyPrefix": "%_", "discrepancyType": "etag", "pending": "false"}
    first = (await client.get(path, params={**params, "limit": 2})).json()
    rest = (await client.get(path, params={**params, "cursor": first["nextCursor"]})).json()
    assert [item["keyPath"] for page in (first, rest) for item in page["mismatches"]] == ["%_1", "%_3", "%_5"]
    problem_of(await client.get(path, params={"cursor": first["nextCursor"]}), 400, "invalid-cursor")
    ignored = (await client.get(path, params={"unknown": "x"})).json()
    assert len(ignored["mismatches"]) == 7


async def test_the_summary(client: httpx.AsyncClient, database: Database) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, "phantoms", [Row("a/1", "A", size=5, catalog_time=CREATED)])
    await add_rows(database, job_id, "orphans", [Row("a/b/2", size=6)])
    await add_rows(database, job_id, "mismatches", [Row("3", "A", size=7)])
    await publish(database, job_id)
    response = await client.get(f"/reports/{job_id}?depth=2")
    SummaryAnswer.model_validate_json(response.content, strict=True)
    summary = response.json()
    none = {"findings": 0, "pending": 0, "bytes": 0}
    phantom, orphan, mismatch = (
        {"findings": 1, "pending": 1, "bytes": 5},
        {"findings": 1, "pending": 0, "bytes": 6},
        {"findings": 1, "pending": 0, "bytes": 8},
    )
    published_at = summary.pop("publishedAt")
    assert published_at > CREATED_MS > BEFORE_MS
    assert summary == {
        "jobId": job_id,
        "orcaArchiveLocation": "orca-archive",
        "inventoryCreationTime": CREATED_MS,
        "engine": "duckdb",
        "comparedFields": ["etag", "size_in_bytes", "storage_class"],
        "warnings": ["a warning"],
        "inventoryObjects": 7,
        "catalogFiles": 8,
        "totals": {"orphan": 1, "phantom": 1, "catalogMismatch": 1},
        "pendingTotals": {"orphan": 0, "phantom": 1, "catalogMismatch": 0},
        "bytes": {"orphan": 6, "phantom": 5, "catalogMismatch": 8},
        "byCollection": [{"collectionId": "A", "phantom": phantom, "catalogMismatch": mismatch}],
        "byDiscrepancyType": [{"discrepancyType": "etag, size_in_bytes", **mismatch}],
        "byKeyPrefix": [
            {"keyPrefix": "", "orphan": none, "phantom": none, "catalogMismatch": mismatch},
            {"keyPrefix": "a/", "orphan": none, "phantom": phantom, "catalogMismatch": none},
            {"keyPrefix": "a/b/", "orphan": orphan, "phantom": none, "catalogMismatch": none},
        ],
        "byDay": [
            {"day": "2024-05-20", "orphan": orphan, "phantom": none, "catalogMismatch": mismatch},
            {"day": "2024-06-01", "orphan": none, "phantom": phantom, "catalogMismatch": none},
        ],
    }
    for depth in ("0", "4", "x"):
        problem_of(await client.get(f"/reports/{job_id}?depth={depth}"), 422, "invalid-request")
