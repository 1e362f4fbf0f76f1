"""The pages as answers to requests: what each says, and what becomes of what cannot be answered."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from app.dashboard.words import size
from app.db.engine import Database
from app.jobs.requests import delete, submit
from app.settings import Settings
from tests.reports.published import CREATED, Row, add_job, add_rows, publish

SAME_ORIGIN = {"Origin": "http://test"}
LARGEST_PAGE = 300_000


@pytest_asyncio.fixture(loop_scope="session")
async def job(database: Database) -> AsyncIterator[int]:
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
    return [html.unescape(link) for link in re.findall(r'href="([^"]*)"', page)]


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


async def test_what_is_downloaded_is_what_is_filtered(client: httpx.AsyncClient, job: int) -> None:
    page = (await client.get(f"/dashboard/jobs/{job}/mismatches?discrepancyType=etag&keyPrefix=m/")).text
    assert re.findall(r'<code class="key" id="key-\d+">(.*?)</code>', page) == ["m/1", "m/2"]
    downloads = [link for link in links(page) if "format=" in link]
    assert len(downloads) == 5
    for link in downloads:
        assert (await client.get(link)).status_code == 200
    rows = csv.DictReader(io.StringIO((await client.get(downloads[0])).text))
    assert [row["keyPath"] for row in rows] == ["m/1", "m/2"]


async def test_what_may_be_on_its_way_is_nothing_for_s3_to_work_on_unless_asked_for(
    client: httpx.AsyncClient, job: int
) -> None:
    for query, pending in (("", "false"), ("?pending=false", "false"), ("?pending=true", "true")):
        page = (await client.get(f"/dashboard/jobs/{job}/orphans{query}")).text
        (link,) = [link for link in links(page) if "s3batch" in link]
        assert f"pending={pending}" in link
        assert ("without what is pending" in page) == (not query)


async def test_a_picture_counts_what_its_link_shows(client: httpx.AsyncClient, job: int) -> None:
    page = (await client.get(f"/dashboard/jobs/{job}/mismatches")).text
    bars = re.findall(
        r'<a href="([^"]*)"[^>]*>\s*<span class="label">.*?</span> <span class="value">(\d+)</span>', page
    )
    assert len(bars) == 5  # a collection, two fields, both of them, a folder
    for link, count in bars:
        narrowed = (await client.get(html.unescape(link))).text
        assert len(re.findall(r'<code class="key"', narrowed)) == int(count), link


async def test_a_folder_that_is_counted_without_those_below_it_is_no_link(
    client: httpx.AsyncClient, database: Database
) -> None:
    job = await add_job(database)
    await add_rows(database, job, "orphans", [Row(key) for key in ("p/1", "p/2", "p/a/1", "p/a/2", "p/a/b/3", "alone")])
    await publish(database, job)
    page = html.unescape((await client.get(f"/dashboard/jobs/{job}/orphans?depth=2")).text)
    bars = re.findall(r'<span class="label">(.*?)</span> <span class="value">(\d+)</span>', page)
    assert bars == [("p/a/", "3"), ("p/ (directly in it)", "2"), ("(no folder)", "1")]
    narrowing = [link for link in links(page) if "keyPrefix=" in link]
    assert len(narrowing) == 1
    assert len(re.findall(r'<code class="key"', (await client.get(narrowing[0])).text)) == 3


async def test_more_folders_than_are_stored_are_said_to_be_more(client: httpx.AsyncClient, database: Database) -> None:
    for folders, said in ((999, "987 smaller ones:"), (1001, "988 smaller ones, or more:")):
        job = await add_job(database)
        await add_rows(database, job, "orphans", [Row(f"{number:04}/a") for number in range(folders)])
        await publish(database, job)
        assert f"and {said}" in (await client.get(f"/dashboard/jobs/{job}/orphans")).text


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


@pytest.mark.parametrize(
    ("time", "says"),
    [
        ("56000-01-02 03:04Z", "56000-01-02 03:04 UTC"),
        ("0044-03-15 12:30Z BC", "0044-03-15 12:30 UTC BC"),
        ("0900-02-28 00:00Z", "0900-02-28 00:00 UTC"),
    ],
)
async def test_a_time_of_any_year_can_be_shown(
    client: httpx.AsyncClient, database: Database, time: str, says: str
) -> None:
    job = await add_job(database)
    await add_rows(database, job, "phantoms", [Row("p/1")])
    await add_rows(database, job, "mismatches", [Row("m/1")])
    async with database.transaction() as connection:
        for table in ("phantom", "catalog_mismatch"):
            await connection.execute(
                text(
                    f"UPDATE orca.reconcile_{table}_report SET orca_last_update = CAST(CAST(:time AS text) AS timestamptz)"
                ),
                {"time": time},
            )
    await publish(database, job)
    shown = (await client.get(f"/dashboard/jobs/{job}/phantoms")).text
    assert says in shown
    assert says in (await client.get(f"/dashboard/jobs/{job}/changes")).text
    (detail,) = [link for link in links(shown) if "/finding?" in link]
    assert says in (await client.get(detail)).text
    (detail,) = [
        link for link in links((await client.get(f"/dashboard/jobs/{job}/mismatches")).text) if "/finding?" in link
    ]
    assert says in (await client.get(detail)).text


async def test_many_days_of_far_years_are_shown_by_month(client: httpx.AsyncClient, database: Database) -> None:
    job = await add_job(database)
    await add_rows(database, job, "phantoms", [Row(f"p/{place}") for place in range(70)])
    async with database.transaction() as connection:
        await connection.execute(
            text("""
                UPDATE orca.reconcile_phantom_report
                SET orca_last_update = timestamptz '56000-01-01Z' + CAST(substr(key_path, 3) AS int) * interval '1 day'
            """)
        )
    await publish(database, job)
    shown = (await client.get(f"/dashboard/jobs/{job}/phantoms")).text
    assert re.findall(r'<th scope="row">(56000[-\d]*)</th>', shown) == ["56000-01", "56000-02", "56000-03"]


async def test_only_what_the_report_names_differs(client: httpx.AsyncClient, job: int) -> None:
    for kind, differing in (("phantoms", 0), ("orphans", 0), ("mismatches", 1)):
        details = [
            link for link in links((await client.get(f"/dashboard/jobs/{job}/{kind}")).text) if "/finding?" in link
        ]
        assert (await client.get(details[0])).text.count("differs</strong>") == differing, kind


@pytest.mark.parametrize(
    ("status", "message", "says"),
    [
        (3, None, "is under way"),
        (4, "the manifest is gone", "failed"),
        (4, "cancelled", "was cancelled"),
        (2, None, "has published none"),
    ],
)
async def test_figures_of_an_earlier_run_are_said_to_be_that(
    client: httpx.AsyncClient, database: Database, job: int, status: int, message: str | None, says: str
) -> None:
    pages = (
        "/",
        "/dashboard/locations/orca-archive",
        *(f"/dashboard/jobs/{job}{tab}" for tab in ("", "/phantoms", "/changes")),
    )
    for page in (*pages, "/dashboard/jobs"):
        assert "earlier run" not in (await client.get(page)).text, page
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE orca.reconcile_job SET status_id = :status, error_message = :message WHERE id = :id"),
            {"status": status, "message": message, "id": job},
        )
        if status == 3:
            await connection.execute(
                text("""
                    INSERT INTO orca.reconcile_run (job_id, orca_archive_location, engine, reconcile, take_in)
                    VALUES (:id, 'orca-archive', 'duckdb', true, true)
                """),
                {"id": job},
            )
    for page in pages:
        shown = (await client.get(page)).text
        assert "Of an earlier run:" in shown, page
        assert f"job {job}</a> {says}." in shown, page
    assert "The figures are of an earlier run, published" in (await client.get("/dashboard/jobs")).text


async def test_what_the_inventory_does_not_carry_is_not_said_to_be_s3s_word(
    client: httpx.AsyncClient, database: Database
) -> None:
    job = await add_job(database)
    await add_rows(database, job, "phantoms", [Row("p/1", size=77)])
    await add_rows(database, job, "orphans", [Row("o/1", size=0, s3_etag='""')])
    await publish(database, job, compared_fields=["storage_class"])
    for page in (f"/dashboard/jobs/{job}", f"/dashboard/jobs/{job}/orphans"):
        shown = (await client.get(page)).text
        assert "sizes not in the inventory" in shown, page
        assert "0 bytes" not in shown, page
    for page in (f"/dashboard/jobs/{job}/orphans", f"/dashboard/jobs/{job}/changes?kind=orphans"):
        assert '<td class="n">not in the inventory</td>' in (await client.get(page)).text, page
    (detail,) = [
        link for link in links((await client.get(f"/dashboard/jobs/{job}/orphans")).text) if "/finding?" in link
    ]
    shown = (await client.get(detail)).text
    assert shown.count("<td>not in the inventory</td>") == 2
    assert "<td>GLACIER</td>" in shown
    assert "77 bytes" in (await client.get(f"/dashboard/jobs/{job}/phantoms")).text


async def test_what_was_chosen_is_shown_as_chosen(client: httpx.AsyncClient, database: Database) -> None:
    jobs = [await add_job(database, created=CREATED + timedelta(days=day)) for day in range(53)]
    for job in jobs:
        await publish(database, job)
    for against in (jobs[0], jobs[-2]):
        shown = (await client.get(f"/dashboard/jobs/{jobs[-1]}/changes?against={against}&minJobs=4")).text
        assert re.findall(r'<option value="(\d+)" selected>', shown) == [str(against), "4"]


@pytest.mark.parametrize(
    ("value", "says"),
    [(0, "0 bytes"), (999, "999 bytes"), (10**15, "1 PB"), (2**63 - 1, "9.22 EB"), (10**22, "1e+04 EB")],
)
def test_sizes_have_three_digits(value: int, says: str) -> None:
    assert size(value) == says
