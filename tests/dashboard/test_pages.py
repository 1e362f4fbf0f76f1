"""The pages as answers to requests: what each says, and what becomes of what cannot be answered."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from app.db.engine import Database
from app.jobs.requests import delete, submit
from app.settings import Settings
from tests.dashboard.conftest import links
from tests.reports.published import CREATED, Row, add_job, add_rows, publish

SAME_ORIGIN = {"Origin": "http://test"}
LARGEST_PAGE = 300_000


async def test_where_nothing_was_compared_yet_it_says_what_to_do(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Nothing was compared yet" in answer.text
    assert "/dashboard/jobs" in links(answer.text)


async def test_the_first_page_says_how_many_files_may_be_lost(client: httpx.AsyncClient, job: int) -> None:
    page = (await client.get("/")).text
    assert "2 files may be lost" in page
    assert "/dashboard/locations/orca-archive" in links(page)
    assert f"/dashboard/jobs/{job}/phantoms" in links(page)


async def test_what_orca_has_just_reported_is_not_passed_over(client: httpx.AsyncClient, database: Database) -> None:
    first = await add_job(database)
    await add_rows(database, first, "phantoms", [Row("a")])
    said = f"What ORCA itself reported as job {first} is being added up"
    for path in ("/", "/dashboard/locations/orca-archive"):
        assert said in (await client.get(path)).text
    await publish(database, first)
    later = await add_job(database, created=CREATED + timedelta(days=1))
    assert f"ORCA itself reported as job {later} is being added up" in (await client.get("/")).text


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/dashboard/jobs/999", 404, "There is no job 999."),
        ("/dashboard/jobs/999/phantoms", 404, "There is no job 999."),
        ("/dashboard/jobs/99999999999999999999", 404, "There is no job"),
        ("/dashboard/jobs/x", 422, "path.id"),
        ("/dashboard/jobs/{job}/mismatches?discrepancyType=colour", 422, "discrepancyType is one of etag"),
        ("/dashboard/jobs/{job}/orphans?collectionId=A", 422, "Orphans cannot be filtered by collectionId"),
        ("/dashboard/jobs/{job}/phantoms?pending=perhaps", 422, "query.pending"),
        ("/dashboard/jobs/{job}/phantoms?cursor=bad", 400, "cursor"),
        ("/dashboard/jobs/{job}/phantoms?depth=9", 422, "query.depth"),
        ("/dashboard/jobs/{job}/nonsense", 422, "path.kind"),
        ("/dashboard/jobs/{job}/changes?against={job}", 422, "not earlier"),
        ("/dashboard/jobs/{job}/phantoms/finding?collectionId=A&granuleId=MOD09GQ.A1&keyPath=a", 404, "no such page"),
        ("/dashboard/jobs?status=tired", 422, "query.status"),
        ("/dashboard/locations/nowhere", 404, "no such page"),
        ("/dashboard/nowhere", 404, "no such page"),
    ],
)
async def test_what_cannot_be_shown_is_a_page_that_says_why(
    client: httpx.AsyncClient, job: int, path: str, status: int, says: str
) -> None:
    answer = await client.get(path.format(job=job))
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert says in html.unescape(answer.text)
    assert "/" in links(answer.text)


async def test_the_api_still_answers_with_problems(client: httpx.AsyncClient) -> None:
    for path in ("/jobs/999", "/nowhere"):
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_job_without_a_report_has_a_page_and_its_findings_say_not_yet(
    client: httpx.AsyncClient, database: Database
) -> None:
    waiting = await add_job(database, status=3)
    page = await client.get(f"/dashboard/jobs/{waiting}")
    assert page.status_code == 200
    answer = await client.get(f"/dashboard/jobs/{waiting}/phantoms")
    assert (answer.status_code, "has published no report yet" in answer.text) == (409, True)
    assert (await client.get(f"/dashboard/jobs/{waiting}/changes")).status_code == 409


async def test_the_page_of_a_job_that_was_just_deleted_says_so(
    client: httpx.AsyncClient, database: Database, job: int
) -> None:
    assert (await client.get(f"/dashboard/jobs/{job}/phantoms")).status_code == 200
    await delete(database, job)
    for path in ("", "/phantoms", "/changes"):
        answer = await client.get(f"/dashboard/jobs/{job}{path}")
        assert (answer.status_code, "There is no job" in answer.text) == (404, True)


async def test_a_filter_that_matches_nothing_says_so(client: httpx.AsyncClient, job: int) -> None:
    answer = await client.get(f"/dashboard/jobs/{job}/phantoms?keyPrefix=zzz")
    assert (answer.status_code, "Nothing is like that" in answer.text) == (200, True)


async def test_what_a_form_left_empty_is_no_filter(client: httpx.AsyncClient, job: int) -> None:
    answer = await client.get(f"/dashboard/jobs/{job}/phantoms?collectionId=&keyPrefix=a/&pending=")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/dashboard/jobs/{job}/phantoms?keyPrefix=a%2F")
    answer = await client.get("/dashboard/jobs?location=&status=error")
    assert answer.headers["location"] == "/dashboard/jobs?status=error"


async def test_what_a_key_holds_is_text_and_no_markup(client: httpx.AsyncClient, job: int) -> None:
    page = (await client.get(f"/dashboard/jobs/{job}/orphans")).text
    assert "o/&lt;b&gt;&amp;1" in page
    (detail,) = [link for link in links(page) if "/finding?" in link]
    assert "o/&lt;b&gt;&amp;1" in (await client.get(detail)).text


async def test_a_finding_is_found_by_its_whole_key_among_those_that_begin_like_it(
    client: httpx.AsyncClient, database: Database
) -> None:
    job = await add_job(database)
    keys = ["k", "k/1", "k/10", "k/1 ", "k/1é", "K/1", "k/"]
    await add_rows(database, job, "orphans", [Row(key, size=number) for number, key in enumerate(keys)])
    await publish(database, job)
    for number, key in enumerate(keys):
        answer = await client.get(f"/dashboard/jobs/{job}/orphans/finding", params={"keyPath": key})
        assert (answer.status_code, f"{number} bytes" in answer.text) == (200, True), key


async def test_what_changed_says_since_when(client: httpx.AsyncClient, database: Database) -> None:
    first = await add_job(database, created=CREATED - timedelta(days=7))
    await add_rows(database, first, "phantoms", [Row("a/1"), Row("a/2")])
    await publish(database, first)
    second = await add_job(database)
    await add_rows(database, second, "phantoms", [Row("a/2"), Row("a/3")])
    await publish(database, second)
    shown = {}
    for change in ("new", "resolved", "persisting"):
        page = (await client.get(f"/dashboard/jobs/{second}/changes?change={change}")).text
        shown[change] = re.findall(r'<code class="key" id="key-\d+">(.*?)</code>', page)
    assert shown == {"new": ["a/3"], "resolved": ["a/1"], "persisting": ["a/2"]}
    assert "2024-05-25" in page
    assert '<td class="n">2</td>' in page
    location = (await client.get("/dashboard/locations/orca-archive")).text
    assert "25 May 2024" in location
    assert "in 2 inventories in a row" in location


async def test_a_page_of_the_longest_keys_is_not_heavy(client: httpx.AsyncClient, database: Database) -> None:
    job = await add_job(database)
    rows = [
        Row(f"{number:04}/" + "k" * 1019, collection_id=f"C{number}", granule_id=f"G{number}") for number in range(60)
    ]
    await add_rows(database, job, "mismatches", rows)
    await publish(database, job)
    page = await client.get(f"/dashboard/jobs/{job}/mismatches")
    styles = await client.get("/dashboard/static/dashboard.css")
    scripts = [await client.get(link) for link in re.findall(r'src="([^"]*static[^"]*)"', page.text)]
    assert len(page.content) + len(styles.content) + sum(len(one.content) for one in scripts) < LARGEST_PAGE


async def test_a_job_is_started_reconciled_cancelled_and_run_again_by_buttons(
    client: httpx.AsyncClient, database: Database, settings: Settings, manifest: Path
) -> None:
    form = {"manifestUrl": manifest.as_uri(), "engine": "auto"}
    started = await client.post("/dashboard/jobs", data=form, headers=SAME_ORIGIN)
    assert started.status_code == 303
    page = started.headers["location"]
    assert "Cancel" in (await client.get(page)).text
    assert (await client.post(f"{page}/cancel", headers=SAME_ORIGIN)).status_code == 303
    assert "Cancelled" in (await client.get(page)).text
    assert (await client.post(f"{page}/cancel", headers=SAME_ORIGIN)).status_code == 409
    for how in ("rerun", "reconcile"):
        assert (await client.post(f"{page}/{how}", headers=SAME_ORIGIN)).headers["location"] == page
        assert "queued" in (await client.get(page)).text
        await client.post(f"{page}/cancel", headers=SAME_ORIGIN)
    job, queued = await submit(database, settings, manifest_url=manifest.as_uri())
    assert (f"/dashboard/jobs/{job.id}", queued) == (page, False)


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"manifestUrl": "file:///etc/manifest.json"}, 403, "file:///etc"),
        ({"manifestUrl": "{folder}/none/manifest.json"}, 404, "no manifest"),
        ({"manifestUrl": ""}, 422, "manifest"),
        ({"manifestUrl": "{folder}/x", "engine": "steam"}, 422, "engine"),
    ],
)
async def test_a_manifest_that_is_refused_is_said_beside_the_form(
    client: httpx.AsyncClient, settings: Settings, form: dict[str, str], status: int, says: str
) -> None:
    given = {name: value.replace("{folder}", settings.data_dir.as_uri()) for name, value in form.items()}
    answer = await client.post("/dashboard/jobs", data=given, headers=SAME_ORIGIN)
    assert (answer.status_code, 'role="alert"' in answer.text, says in answer.text) == (status, True, True)
    assert html.escape(given["manifestUrl"]) in answer.text


async def test_no_page_asks_another_host_or_has_a_script_or_style_of_its_own(
    client: httpx.AsyncClient, job: int
) -> None:
    for path in ("/", "/dashboard/jobs", f"/dashboard/jobs/{job}", f"/dashboard/jobs/{job}/phantoms"):
        page = (await client.get(path)).text
        assert not [link for link in links(page) if "//" in link]
        assert re.findall(r"<style|\sstyle=|\son\w+=|<script>", page) == []
