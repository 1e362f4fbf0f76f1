"""What the dashboard is for: somebody who has never seen it finds out what is lost, since when, and gets the list."""

from __future__ import annotations

import csv
import re
from collections import Counter

from playwright.async_api import Browser, expect

from tests.dashboard.chromium import visiting
from tests.dashboard.conftest import Served


async def test_a_newcomer_finds_which_collection_lost_files_since_when_and_downloads_the_list(
    served: Served, browser: Browser
) -> None:
    phantoms = set(served.expected["phantoms"])
    with (served.folder / "catalog.csv").open(newline="", encoding="utf-8") as lines:
        lost = {row["key_path"]: row["collection_id"] for row in csv.DictReader(lines) if row["key_path"] in phantoms}
    counts = Counter(lost.values())
    before = set(sorted(counts)[: len(counts) // 2])  # those that had lost files a week before

    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.goto("/")
        await expect(page.get_by_text(f"{len(phantoms)} files may be lost")).to_be_visible()
        await page.get_by_role("link", name="Which collections, since when").click()

        table = page.get_by_role("table", name="Collections with missing files")
        shown = {}
        for row in await table.locator("tbody tr").all():
            cells = [await cell.inner_text() for cell in await row.locator("th, td").all()]
            shown[cells[0]] = (int(re.match(r"[\d,]+", cells[1])[0].replace(",", "")), cells[3])  # type: ignore[index]
        assert {name: count for name, (count, _) in shown.items()} == counts
        for name, (_, since) in shown.items():
            assert ("30 April 2024" if name in before else "7 May 2024") in since
            assert "at least" not in since

        worst = max(counts, key=lambda name: (counts[name], name))
        await table.get_by_role("link", name=worst, exact=True).click()
        await expect(page.get_by_role("heading", name="Those that are chosen")).to_be_visible()
        async with page.expect_download() as started:
            await page.get_by_role("link", name="CSV", exact=True).click()
        download = await started.value
        assert download.suggested_filename == f"job-{served.job_id}-phantoms.csv"
        with (await download.path()).open(newline="", encoding="utf-8") as lines:
            keys = [row["keyPath"] for row in csv.DictReader(lines)]
        assert sorted(keys) == sorted(key for key, name in lost.items() if name == worst)

        await page.get_by_role("link", name=f"Remove the filter Collection {worst}").click()
        async with page.expect_download() as started:
            await page.get_by_role("link", name="CSV", exact=True).click()
        with (await (await started.value).path()).open(newline="", encoding="utf-8") as lines:
            assert sorted(row["keyPath"] for row in csv.DictReader(lines)) == sorted(phantoms)
