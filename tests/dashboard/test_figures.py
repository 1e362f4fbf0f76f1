"""What the pages count, measure and date: pictures, downloads, sizes, times, and whose figures stand there."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from app.dashboard.words import size
from app.db.engine import Database
from tests.dashboard.conftest import links
from tests.reports.published import CREATED, Row, add_job, add_rows, publish


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
