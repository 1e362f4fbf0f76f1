"""Signing in: a browser without a session is asked for a token, and goes on where it wanted to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from playwright.async_api import Browser, Route, expect

from tests.dashboard.chromium import visiting
from tests.support.postgres import Server
from tests.support.service import serving

TOKENS = {"reader": ["read"], "operator": ["read", "write"]}


def tokens() -> str:
    return json.dumps(
        [
            {"name": name, "sha256": hashlib.sha256(f"the {name}".encode()).hexdigest(), "scopes": scopes}
            for name, scopes in TOKENS.items()
        ]
    )


async def ticket(route: Route) -> None:
    await route.fulfill(content_type="text/html", body="A ticket")


async def test_a_browser_signs_in_and_goes_on_where_it_wanted_to(
    server: Server, tmp_path: Path, browser: Browser
) -> None:
    async with server.fresh() as name:
        environment = {"RECONCILE_DATABASE_URL": server.url(name), "RECONCILE_DATA_DIR": str(tmp_path)}
        with serving(tmp_path / "log", RECONCILE_API_TOKENS=tokens(), **environment) as (service, _):
            address = str(service.base_url).rstrip("/")
            anonymous = service.get("/jobs")
            assert (anonymous.status_code, anonymous.headers["content-type"]) == (401, "application/problem+json")
            led = service.get("/dashboard/jobs?status=error")
            assert (led.status_code, led.headers["location"]) == (
                303,
                "/login?next=%2Fdashboard%2Fjobs%3Fstatus%3Derror",
            )
            for elsewhere in ("//evil.example", "https://evil.example/", "/\\evil.example"):
                asked = service.get("/login", params={"next": elsewhere})
                assert (asked.status_code, "evil" in asked.text) == (200, False)

            async with visiting(browser, address) as visit:
                page = visit.page
                await page.goto("/dashboard/jobs?status=error")
                assert await visit.violations() == []
                await page.get_by_label("Token").fill("a guess")
                await page.get_by_role("button", name="Sign in").click()
                await expect(page.get_by_role("alert")).to_contain_text("not valid")
                visit.errors.clear()  # the console names the 401
                await page.get_by_label("Token").fill("the reader")
                await page.keyboard.press("Enter")
                await expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
                assert page.url == f"{address}/dashboard/jobs?status=error"

                await page.get_by_label("URL of the inventory").fill("file:///x/manifest.json")
                await page.get_by_role("button", name="Start").click()
                await expect(page.get_by_text("may not write")).to_be_visible()
                visit.errors.clear()  # and the 403

                (cookie,) = await page.context.cookies()
                assert cookie["httpOnly"]
                await page.context.clear_cookies()
                await page.context.add_cookies([{**cookie, "value": cookie["value"][:-4] + "AAAA"}])  # type: ignore[typeddict-item]
                await page.goto("/")
                await expect(page.get_by_role("status")).to_contain_text("Your session is over")
                await page.get_by_label("Token").fill("the operator")
                await page.keyboard.press("Enter")
                await expect(page.get_by_role("heading", name="Archive locations")).to_be_visible()

                # A link in a ticket leads in without asking again.
                await page.route("http://tickets.example/", ticket)
                await page.goto("http://tickets.example/")
                await page.set_content(f"<a href='{address}/dashboard/jobs'>The jobs</a>")
                await page.get_by_role("link", name="The jobs").click()
                await expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
                visit.elsewhere.clear()

                await page.get_by_role("button", name="Sign out").click()
                await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
                await page.goto("/dashboard/jobs")
                await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
