"""A real Chromium, driven by Playwright, that talks to nobody but the service."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PHONE, DESK = 390, 1280
PATIENCE_MS = 20_000


def chromium() -> Path:
    """Find Chromium; without it the test is skipped, unless everything has to run."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing = "there is no Chromium: install Debian's chromium"
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return Path(found)


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Run a browser for the length of the block; every context of it begins with nothing kept."""
    executable = chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield browser
        await browser.close()


class Visit:
    """A page in a context of its own, and what it did that a page must not do."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.elsewhere: list[str] = []
        self.errors: list[str] = []
        page.on(
            "request", lambda request: None if request.url.startswith(address) else self.elsewhere.append(request.url)
        )
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    async def violations(self) -> list[str]:
        """Let axe look at the page."""
        results = await Axe().run(self.page)
        return [
            f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in results.response["violations"]
        ]

    async def overflow(self) -> int:
        """Measure by how many pixels the page is wider than the window."""
        return int(await self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@asynccontextmanager
async def visiting(
    browser: Browser,
    address: str,
    *,
    width: int = DESK,
    scheme: Literal["light", "dark"] = "light",
    javascript: bool = True,
) -> AsyncIterator[Visit]:
    """Open a page in a fresh context; at the end nothing may have gone wrong, and no other host been asked."""
    context = await browser.new_context(
        base_url=address,
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        java_script_enabled=javascript,
        reduced_motion="reduce",
        accept_downloads=True,
    )
    context.set_default_timeout(PATIENCE_MS)
    visit = Visit(await context.new_page(), address)
    yield visit
    await context.close()
    assert visit.elsewhere == []
    assert visit.errors == []
