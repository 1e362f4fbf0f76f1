"""A job as it happens: its progress arrives without a reload, and a button cancels it."""

from __future__ import annotations

import asyncpg
from playwright.async_api import Browser, expect

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


async def test_progress_arrives_and_a_job_is_cancelled(served: Served, browser: Browser) -> None:
    connection = await asyncpg.connect(served.database_url)
    try:
        job, run = await connection.fetchrow(QUEUED)
        async with visiting(browser, served.address) as visit:
            page = visit.page
            await page.goto(f"/dashboard/jobs/{job}")
            assert await visit.violations() == []
            for done in (1_250_000, 2_500_000):
                await connection.execute(PROGRESS, run, done)
                await expect(page.locator(".progress-text")).to_have_text(
                    f"reading the inventory: {done:,} of 5,000,000 rows"
                )
                assert await page.locator("progress").evaluate("bar => bar.value") == done
            await page.get_by_role("button", name="Cancel").click()
            await expect(page.get_by_text("Cancelled:")).to_be_visible()
        async with visiting(browser, served.address, javascript=False) as visit:
            await visit.page.goto(f"/dashboard/jobs/{job}")
            await expect(visit.page.get_by_text("Cancelled:")).to_be_visible()
    finally:
        await connection.execute("DELETE FROM orca.reconcile_job WHERE orca_archive_location = 'another-archive'")
        await connection.close()


async def test_a_job_started_by_the_form_shows_its_report_when_it_is_done(served: Served, browser: Browser) -> None:
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.goto("/dashboard/jobs")
        await page.get_by_text("Take in an inventory").click()
        await page.get_by_label("URL of the inventory").fill(served.manifest)
        await page.get_by_label("again, if it was taken in before").check()
        await page.get_by_role("button", name="Start").click()
        await expect(page.get_by_role("heading", name="Which collections lost files, and since when")).to_be_visible()
        await expect(page.get_by_role("button", name="Reconcile again")).to_be_visible()
