"""Jobs as they happen: what a page says of them stays true without a reload, in many tabs, and past a fault."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import asyncpg
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.dashboard.chromium import visiting
from tests.dashboard.conftest import Served

QUEUED = """
    WITH job AS (
        INSERT INTO orca.reconcile_job
            (orca_archive_location, status_id, inventory_creation_time, start_time, last_update)
        VALUES ('another-archive', 1, now(), now(), now()) RETURNING id
    )
    INSERT INTO orca.reconcile_run (job_id, orca_archive_location, engine, reconcile, take_in, not_before)
    SELECT id, 'another-archive', 'duckdb', true, true, now() + interval '1 hour' FROM job RETURNING job_id, id
"""
PROGRESS = """
    INSERT INTO orca.reconcile_progress (run_id, phase, done, total, unit) VALUES ($1, 'reading the inventory', $2, 5000000, 'rows')
    ON CONFLICT (run_id) DO UPDATE SET done = excluded.done
"""
RERUN = """
    INSERT INTO orca.reconcile_run (job_id, orca_archive_location, engine, reconcile, take_in, not_before)
    VALUES ($1, $2, 'duckdb', true, true, now() + interval '1 hour') RETURNING id
"""
ENDED = """
    WITH run AS (UPDATE orca.reconcile_run SET state = 'cancelled', ended_at = now() WHERE id = $1 RETURNING job_id)
    UPDATE orca.reconcile_job AS job SET status_id = 4, error_message = 'cancelled', end_time = now()
    FROM run WHERE job.id = run.job_id
"""
TABS = 10


@pytest_asyncio.fixture(loop_scope="session")
async def connection(served: Served) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(served.database_url)
    yield connection
    await connection.execute("DELETE FROM orca.reconcile_job WHERE orca_archive_location = 'another-archive'")
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def queue(connection: asyncpg.Connection) -> Callable[[], Awaitable[tuple[int, int]]]:
    """Put a job into the queue that nobody claims, and give its id and its run's."""

    async def queue() -> tuple[int, int]:
        return tuple(await connection.fetchrow(QUEUED))

    return queue


Queue = Callable[[], Awaitable[tuple[int, int]]]


def says(done: int) -> str:
    return f"reading the inventory: {done:,} of 5,000,000 rows"


def row_of(page: Page, job: int) -> Locator:
    return page.get_by_role("row", name=f"Job {job} ")


async def fill_in(page: Page, url: str) -> None:
    """Open the form that takes an inventory in, and name it."""
    await page.goto("/dashboard/jobs")
    await page.get_by_text("Take in an inventory").click()
    await page.get_by_label("URL of the inventory").fill(url)


async def test_progress_arrives_and_a_job_is_cancelled(
    served: Served, browser: Browser, connection: asyncpg.Connection, queue: Queue
) -> None:
    job, run = await queue()
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.goto(f"/dashboard/jobs/{job}")
        assert await visit.violations() == []
        await page.get_by_role("button", name="Cancel").focus()
        for done in (1_250_000, 2_500_000):
            await connection.execute(PROGRESS, run, done)
            await expect(page.locator(".progress-text")).to_have_text(says(done))
            assert await page.locator("progress").evaluate("bar => bar.value") == done
        await expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Cancelled:")).to_be_visible()
    async with visiting(browser, served.address, javascript=False) as visit:
        await visit.page.goto(f"/dashboard/jobs/{job}")
        await expect(visit.page.get_by_text("Cancelled:")).to_be_visible()


async def test_every_row_stays_true_and_nothing_typed_is_lost(
    served: Served, browser: Browser, connection: asyncpg.Connection, queue: Queue
) -> None:
    jobs = [await queue() for _ in range(7)]
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await fill_in(page, "s3://typed/manifest.json")
        await page.get_by_label("again, if it was taken in before").check()
        for place, (_, run) in enumerate(jobs):
            await connection.execute(PROGRESS, run, 1000 + place)
        for place, (job, _) in enumerate(jobs):
            await expect(row_of(page, job)).to_contain_text(says(1000 + place))
        for _, run in jobs:
            await connection.execute(ENDED, run)
        for job, _ in jobs:
            await expect(row_of(page, job)).to_contain_text("failed")
        await expect(page.get_by_label("URL of the inventory")).to_be_visible()
        await expect(page.get_by_label("URL of the inventory")).to_have_value("s3://typed/manifest.json")
        await expect(page.get_by_label("again, if it was taken in before")).to_be_checked()


async def test_a_refused_form_is_not_sent_again_by_itself(
    served: Served, browser: Browser, connection: asyncpg.Connection, queue: Queue
) -> None:
    job, run = await queue()
    async with visiting(browser, served.address) as visit:
        page = visit.page
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.method) if request.method == "POST" else None)
        await fill_in(page, "file:///refused/manifest.json")
        await page.get_by_role("button", name="Start").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await connection.execute(ENDED, run)
        await expect(row_of(page, job)).to_contain_text("failed")
        await expect(page.get_by_label("URL of the inventory")).to_have_value("file:///refused/manifest.json")
        assert sent == ["POST"]
        visit.errors.clear()  # the console names the 403


async def test_ten_tabs_stay_usable(served: Served, browser: Browser, queue: Queue) -> None:
    for _ in range(5):
        await queue()
    async with visiting(browser, served.address) as visit:
        for _ in range(TABS):
            tab = await visit.page.context.new_page()
            await tab.goto("/dashboard/jobs")
            await expect(tab.locator("progress")).to_have_count(5)
        await visit.page.goto("/")
        await expect(visit.page.get_by_role("heading", level=1)).to_be_visible()


async def test_a_page_that_nobody_sees_asks_for_nothing(
    served: Served, browser: Browser, connection: asyncpg.Connection, queue: Queue
) -> None:
    job, run = await queue()
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => window.away ?? true });")
        await page.goto(f"/dashboard/jobs/{job}")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if f"/jobs/{job}" in request.url else None)
        await page.wait_for_timeout(3000)
        assert asked == []
        await connection.execute(PROGRESS, run, 4711)
        await page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'));")
        await expect(page.locator(".progress-text")).to_have_text(says(4711))


async def refuse(status: int, route: Route) -> None:
    await route.fulfill(status=status, body="no")


async def test_past_a_fault_a_page_comes_back_by_itself_and_says_so_meanwhile(
    served: Served, browser: Browser, connection: asyncpg.Connection, queue: Queue
) -> None:
    job, run = await queue()
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.goto(f"/dashboard/jobs/{job}")
        for status in (401, 502, 503):
            await page.route("**/*", partial(refuse, status))
            await expect(page.get_by_text("may be out of date")).to_be_visible()
            await connection.execute(PROGRESS, run, status)
            await page.unroute("**/*")
            await expect(page.locator(".progress-text")).to_have_text(says(status))
            await expect(page.get_by_text("may be out of date")).to_be_hidden()
        visit.errors.clear()  # the console names each answer that is not 200


async def test_an_archive_locations_page_follows_its_jobs(
    served: Served, browser: Browser, connection: asyncpg.Connection, queue: Queue
) -> None:
    job, run = await queue()
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.goto("/dashboard/locations/another-archive")
        await connection.execute(PROGRESS, run, 1234)
        await expect(row_of(page, job)).to_contain_text(says(1234))
        await connection.execute(ENDED, run)
        await expect(row_of(page, job)).to_contain_text("failed")


async def test_charts_are_drawn_anew_when_a_rerun_ends(
    served: Served, browser: Browser, connection: asyncpg.Connection
) -> None:
    await connection.execute("UPDATE orca.reconcile_job SET status_id = 3 WHERE id = $1", served.job_id)
    run = await connection.fetchval(RERUN, served.job_id, served.bucket)
    try:
        async with visiting(browser, served.address) as visit:
            page = visit.page
            await page.goto(f"/dashboard/locations/{served.bucket}")
            await expect(page.get_by_text("Of an earlier run:")).to_be_visible()
            assert await visit.violations() == []
            await connection.execute("DELETE FROM orca.reconcile_run WHERE id = $1", run)
            await connection.execute("UPDATE orca.reconcile_job SET status_id = 5 WHERE id = $1", served.job_id)
            await expect(page.get_by_text("Of an earlier run:")).to_have_count(0)
            await expect(page.locator(".chart .main-svg").first).to_be_visible()
    finally:
        await connection.execute("DELETE FROM orca.reconcile_run WHERE id = $1", run)
        await connection.execute("UPDATE orca.reconcile_job SET status_id = 5 WHERE id = $1", served.job_id)


async def test_a_job_started_by_the_form_shows_its_report_when_it_is_done(served: Served, browser: Browser) -> None:
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await fill_in(page, served.manifest)
        await page.get_by_label("again, if it was taken in before").check()
        await page.get_by_role("button", name="Start").click()
        await expect(page.get_by_role("heading", name="Which collections lost files, and since when")).to_be_visible()
        await expect(page.get_by_role("button", name="Reconcile again")).to_be_visible()
        await expect(page.get_by_role("button", name="Copy").first).to_be_visible()


async def test_without_javascript_a_form_is_left_alone(served: Served, browser: Browser, queue: Queue) -> None:
    await queue()
    async with visiting(browser, served.address, javascript=False) as visit:
        page = visit.page
        await page.goto("/dashboard/jobs")
        await expect(page.locator("meta[http-equiv=refresh]")).to_have_count(0)
        await page.get_by_role("link", name="See how the jobs get on").click()
        await expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
