"""The screenshots in docs/, of the demo's data: `make demo`, then `make screenshots`."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from playwright.async_api import async_playwright

from app.settings import Settings
from tests.support.service import serving

DOCS = Path(__file__).parent.parent / "docs"
SHOTS = (("light", "/dashboard/locations/orca-archive"), ("dark", "/dashboard/jobs/3/phantoms"))


async def main() -> None:
    """Take them."""
    folder = Settings().data_dir.absolute()
    with serving(folder / "screenshots.log", RECONCILE_DATA_DIR=str(folder)) as (client, _):
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            for scheme, path in SHOTS:
                page = await browser.new_page(
                    viewport={"width": 1200, "height": 1000}, color_scheme="dark" if scheme == "dark" else "light"
                )
                await page.goto(str(client.base_url).rstrip("/") + path)
                await page.locator(".chart .main-svg").first.wait_for()
                await page.screenshot(path=DOCS / f"dashboard-{scheme}.png")
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
