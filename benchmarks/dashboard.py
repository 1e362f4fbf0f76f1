"""What the dashboard's pages weigh and how soon they are painted, in Chromium, at a million findings.

`python -m benchmarks.dashboard` makes the report in a database of its own, `.bench/dashboard`, if it is not there.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from playwright.async_api import Browser, Request, async_playwright

from app.db.opening import open_database
from app.settings import Settings
from benchmarks.pages import FINDINGS, _report
from benchmarks.server import Server
from tests.support.service import serving

FOLDER = Path(".bench/dashboard").absolute()
VISITS = 5
CHARTS = "plotly"
PAINTED = "(performance.getEntriesByName('first-contentful-paint')[0] ?? {startTime: 0}).startTime"


async def main() -> None:
    """Measure every page of the large job."""
    settings = Settings(data_dir=FOLDER)
    async with open_database(settings) as database:
        job = await _report(Server(database.url, FOLDER))
        pages = {
            "archive locations": "/",
            "archive location": "/dashboard/locations/orca-benchmark",
            "job": f"/dashboard/jobs/{job}",
            "mismatches": f"/dashboard/jobs/{job}/mismatches",
            "mismatches, filtered": f"/dashboard/jobs/{job}/mismatches?collectionId=MOD40GQ___061&discrepancyType=etag",
            "changes": f"/dashboard/jobs/{job}/changes?kind=mismatches",
        }
        executable = shutil.which("chromium")
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        with serving(FOLDER / "log", RECONCILE_DATA_DIR=str(FOLDER)) as (client, _):
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=executable, args=arguments)
                print(f"{FINDINGS:,} findings, slowest of {VISITS} first visits: painted, weight without charts")
                for name, path in pages.items():
                    visits = [await visit(browser, str(client.base_url).rstrip("/") + path) for _ in range(VISITS)]
                    painted, weight = max(visits)
                    print(f"{name:22} {painted:6.0f} ms {weight / 1000:8.1f} kB")
                await browser.close()


async def visit(browser: Browser, address: str) -> tuple[float, int]:
    """Open a page afresh; give the milliseconds until it was painted, and its bytes without the chart library."""
    context = await browser.new_context()
    page = await context.new_page()
    done: list[Request] = []

    def keep(request: Request) -> None:
        done.append(request)

    page.on("requestfinished", keep)  # Playwright marks its handlers, which a built-in method cannot be
    await page.goto(address, wait_until="load")
    await page.wait_for_function(f"{PAINTED} > 0")
    painted = float(await page.evaluate(PAINTED))
    own = [request for request in done if CHARTS not in request.url]
    weight = sum([(await request.sizes())["responseBodySize"] for request in own])
    await context.close()
    return painted, weight


if __name__ == "__main__":
    asyncio.run(main())
