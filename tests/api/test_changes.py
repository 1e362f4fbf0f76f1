"""What changed, over HTTP: totals, pages as OpenAPI has them, and what bad input gets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.api.change_shapes import (
    ChangedMismatchesPage,
    ChangedOrphansPage,
    ChangedPhantomsPage,
    ChangesAnswer,
    ChangesPage,
)
from app.db.engine import Database
from app.inventory.manifest import COMPARABLE
from tests.api.problem import problem_of
from tests.reports.published import CREATED, CREATED_MS, Row, add_job, add_rows, publish

DAY = timedelta(days=1)
SHAPES: dict[str, type[ChangesPage]] = {
    "phantoms": ChangedPhantomsPage,
    "orphans": ChangedOrphansPage,
    "mismatches": ChangedMismatchesPage,
}


@pytest_asyncio.fixture(loop_scope="session")
async def jobs(database: Database) -> list[int]:
    """Publish three jobs, one a day: `kept` is in all, `gone` in the first two, `new` in the last two."""
    ids = []
    for place, keys in enumerate((["gone", "kept"], ["gone", "kept", "new"], ["kept", "new"])):
        ids.append(await add_job(database, created=CREATED + place * DAY))
        for kind in SHAPES:
            await add_rows(database, ids[-1], kind, [Row(key) for key in keys])
        await publish(database, ids[-1])
    return ids


async def test_totals_against_the_success_before_or_any_earlier_one(client: httpx.AsyncClient, jobs: list[int]) -> None:
    response = await client.get(f"/reports/{jobs[2]}/changes")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    ChangesAnswer.model_validate_json(response.content, strict=True)
    same = {"new": 0, "resolved": 1, "persisting": 2}
    assert response.json() == {
        "jobId": jobs[2],
        "againstJobId": jobs[1],
        "againstInventoryCreationTime": CREATED_MS + 86_400_000,
        "warnings": [],
        "totals": {"orphan": same, "phantom": same, "catalogMismatch": same},
    }
    older = (await client.get(f"/reports/{jobs[2]}/changes?against={jobs[0]}")).json()
    assert older["totals"]["phantom"] == {"new": 1, "resolved": 1, "persisting": 1}


def warning(blind: int, seeing: int, called: str) -> str:
    return (
        f"Job {blind} did not compare etag and size_in_bytes, as job {seeing} did: mismatches in nothing else are called "
        f"{called}, and may have been there all the same."
    )


async def test_fields_that_only_one_of_the_jobs_compared_are_named(
    client: httpx.AsyncClient, database: Database
) -> None:
    ids = []
    for place, fields in enumerate((COMPARABLE, ("storage_class",), COMPARABLE)):
        ids.append(await add_job(database, created=CREATED + place * DAY))
        await add_rows(database, ids[-1], "mismatches", [] if place == 1 else [Row("etag")])
        await publish(database, ids[-1], compared_fields=fields)
    warnings = [(await client.get(f"/reports/{job}/changes")).json()["warnings"] for job in ids]
    assert warnings == [[], [warning(ids[1], ids[0], "resolved")], [warning(ids[1], ids[2], "new")]]
    page = (await client.get(f"/dashboard/jobs/{ids[1]}/changes")).text
    assert warnings[1][0] in page


async def test_all_is_new_where_nothing_was_published_before(client: httpx.AsyncClient, jobs: list[int]) -> None:
    answer = (await client.get(f"/reports/{jobs[0]}/changes?kind=orphans")).json()
    assert (answer["againstJobId"], answer["againstInventoryCreationTime"]) == (None, None)
    assert answer["totals"]["orphan"] == {"new": 2, "resolved": 0, "persisting": 0}
    assert [item["keyPath"] for item in answer["orphans"]] == ["gone", "kept"]
    for change in ("resolved", "persisting"):
        assert (await client.get(f"/reports/{jobs[0]}/changes?kind=orphans&change={change}")).json()["orphans"] == []


@pytest.mark.parametrize("kind", SHAPES)
async def test_a_page_is_what_openapi_says(client: httpx.AsyncClient, jobs: list[int], kind: str) -> None:
    path = f"/reports/{jobs[2]}/changes"
    asked: dict[str, Any] = {"kind": kind, "change": "persisting", "limit": 1}
    response = await client.get(path, params=asked)
    SHAPES[kind].model_validate_json(response.content, strict=True)
    page = response.json()
    (kept,) = page[kind]
    report = (await client.get(f"/reports/{jobs[2]}/{kind}?limit=1")).json()[kind][0]
    assert kept == report | {"firstJobId": jobs[0], "firstSeen": CREATED_MS, "consecutiveJobs": 3}
    assert (page["kind"], page["change"], page["anotherPage"]) == (kind, "persisting", True)

    last = (await client.get(path, params=asked | {"cursor": page["nextCursor"]})).json()
    (new,) = last[kind]
    assert (new["keyPath"], new["firstJobId"], new["consecutiveJobs"]) == ("new", jobs[1], 2)
    assert (last["anotherPage"], last["nextCursor"]) == (False, None)

    three = (await client.get(path, params={"kind": kind, "change": "persisting", "minJobs": 3})).json()
    assert [item["keyPath"] for item in three[kind]] == ["kept"]
    resolved = (await client.get(path, params={"kind": kind, "change": "resolved", "minJobs": 2})).json()
    assert [(item["keyPath"], item["consecutiveJobs"]) for item in resolved[kind]] == [("gone", 2)]
    assert (await client.get(path, params={"kind": kind})).json()[kind] == []


async def test_bad_input(client: httpx.AsyncClient, database: Database, jobs: list[int]) -> None:
    elsewhere = await add_job(database, bucket="other", created=CREATED - DAY)
    await publish(database, elsewhere)
    running = await add_job(database, status=3, created=CREATED - DAY)
    middle = jobs[1]
    cases = {
        f"{running + 1}/changes": (404, "no-such-job"),
        f"{10**30}/changes": (404, "no-such-job"),
        f"{running}/changes": (409, "report-not-ready"),
        f"{middle}/changes?against={running + 1}": (404, "no-such-job"),
        f"{middle}/changes?against=0": (404, "no-such-job"),
        f"{middle}/changes?against={elsewhere}": (422, "other-archive-location"),
        f"{middle}/changes?against={jobs[2]}": (422, "not-earlier"),
        f"{middle}/changes?against={middle}": (422, "not-earlier"),
        f"{middle}/changes?against={running}": (409, "report-not-ready"),
        f"{middle}/changes?against=x": (422, "invalid-request"),
        f"{middle}/changes?kind=all": (422, "invalid-request"),
        f"{middle}/changes?kind=orphans&change=old": (422, "invalid-request"),
        f"{middle}/changes?kind=orphans&minJobs=0": (422, "invalid-request"),
        f"{middle}/changes?kind=orphans&limit=1001": (422, "invalid-request"),
        f"{middle}/changes?kind=orphans&cursor=x": (400, "invalid-cursor"),
        f"{middle}/changes?change=new&limit=3": (422, "invalid-filter"),
    }
    for path, (status, name) in cases.items():
        problem_of(await client.get(f"/reports/{path}"), status, name)


async def test_a_job_that_was_just_deleted_is_gone(client: httpx.AsyncClient, jobs: list[int]) -> None:
    assert (await client.get(f"/reports/{jobs[2]}/changes")).json()["againstJobId"] == jobs[1]
    assert (await client.delete(f"/jobs/{jobs[1]}")).status_code == 204
    problem_of(await client.get(f"/reports/{jobs[1]}/changes"), 404, "no-such-job")
    after = (await client.get(f"/reports/{jobs[2]}/changes")).json()
    assert (after["againstJobId"], after["totals"]["orphan"]) == (jobs[0], {"new": 1, "resolved": 1, "persisting": 1})
