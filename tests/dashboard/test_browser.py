"""Every page in a real Chromium: by axe, light and dark, on a phone, by keyboard, without JavaScript."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.dashboard.chromium import DESK, PHONE, visiting
from tests.dashboard.conftest import Served

PAGES = {
    "locations": "/",
    "location": "/dashboard/locations/{bucket}",
    "jobs": "/dashboard/jobs",
    "job": "/dashboard/jobs/{job}",
    "phantoms": "/dashboard/jobs/{job}/phantoms",
    "orphans": "/dashboard/jobs/{job}/orphans?pending=false",
    "mismatches": "/dashboard/jobs/{job}/mismatches?discrepancyType=etag",
    "nothing": "/dashboard/jobs/{job}/mismatches?keyPrefix=nothing",
    "changes": "/dashboard/jobs/{job}/changes?change=persisting&minJobs=2",
    "finding": "{finding}",
}
PROBLEMS = ["/dashboard/jobs/999", "/dashboard/jobs/{job}/mismatches?discrepancyType=colour", "/dashboard/nowhere"]


def first_mismatch(served: Served, query: str) -> dict[str, Any]:
    page = httpx.get(f"{served.address}/reports/{served.job_id}/mismatches{query}").raise_for_status().json()
    return dict(page["mismatches"][0])


def place(served: Served, name: str) -> str:
    finding = first_mismatch(served, "?limit=1")
    query = urlencode({key: finding[key] for key in ("collectionId", "granuleId", "keyPath")})
    detail = f"/dashboard/jobs/{served.job_id}/mismatches/finding?{query}"
    return PAGES.get(name, name).replace("{finding}", detail).format(bucket=served.bucket, job=served.job_id)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
async def test_every_page_is_for_everybody(
    served: Served, browser: Browser, scheme: Literal["light", "dark"], width: int
) -> None:
    async with visiting(browser, served.address, width=width, scheme=scheme) as visit:
        for name in PAGES:
            answer = await visit.page.goto(place(served, name))
            assert answer is not None
            assert answer.status == 200, name
            if name in {"location", "phantoms"}:
                await expect(visit.page.locator(".chart .main-svg").first).to_be_visible()
            assert await visit.violations() == [], name
            assert await visit.overflow() <= 0, name


async def test_pages_that_say_what_is_wrong_are_for_everybody_too(served: Served, browser: Browser) -> None:
    for scheme in ("light", "dark"):
        async with visiting(browser, served.address, scheme=scheme) as visit:
            for name in PROBLEMS:
                await visit.page.goto(place(served, name))
                await expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
                assert await visit.violations() == [], name
            visit.errors.clear()  # the console names each answer that is not 200


async def test_pages_can_be_read_without_javascript(served: Served, browser: Browser) -> None:
    async with visiting(browser, served.address, javascript=False) as visit:
        page = visit.page
        for name in PAGES:
            await page.goto(place(served, name))
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            await expect(page.locator(".chart, button.copy, #theme").and_(page.locator(":visible"))).to_have_count(0)
        await page.goto(place(served, "phantoms"))
        await page.locator(".bars a").first.click()
        await expect(page.get_by_role("heading", name="Those that are chosen")).to_be_visible()
        await (
            page.get_by_text("By day")
            .or_(page.get_by_text("By month"))
            .or_(page.get_by_text("By year"))
            .first.is_visible()
        )
        await expect(page.get_by_role("table", name="Phantoms of job")).to_be_visible()


async def test_a_click_on_a_picture_narrows_the_table_to_just_what_it_counts(served: Served, browser: Browser) -> None:
    async with visiting(browser, served.address) as visit:
        page = visit.page
        for picture in ("By collection", "By what differs", "By key prefix"):
            await page.goto(place(served, "/dashboard/jobs/{job}/mismatches"))
            bar = page.get_by_role("region", name=picture).locator(".bars a").nth(1)
            count = int((await bar.locator(".value").inner_text()).replace(",", ""))
            await bar.click()
            chosen = page.get_by_role("region", name=picture).locator(".bars a[aria-current]")
            await expect(chosen).to_have_count(1)
            assert 0 < count <= 50
            await expect(page.locator("table.findings tbody tr")).to_have_count(count)


async def test_pages_of_findings_lead_on_to_the_last(served: Served, browser: Browser) -> None:
    seen: list[str] = []
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.goto(place(served, "/dashboard/jobs/{job}/orphans"))
        while True:
            seen += await page.locator("table.findings code.key").all_text_contents()
            following = page.get_by_role("link", name="Next page")
            if not await following.count():
                break
            await following.click()
            await page.wait_for_url(re.compile("cursor="))
            await page.wait_for_load_state()
            if len(seen) > 1000:
                break
    assert len(seen) > 50
    assert sorted(seen) == sorted(served.expected["orphans"])


async def test_both_sides_of_a_mismatch_say_what_differs(served: Served, browser: Browser) -> None:
    size = first_mismatch(served, "?discrepancyType=size_in_bytes&limit=1")
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.goto(place(served, "/dashboard/jobs/{job}/mismatches?discrepancyType=size_in_bytes"))
        await page.get_by_role("link", name="Both sides").first.click()
        row = page.get_by_role("row", name=re.compile("^Size"))
        await expect(row.locator("mark")).to_have_count(2)
        await expect(row.locator("mark").first).to_contain_text(f"{size['orcaSizeInBytes']:,} bytes")
        await expect(row.locator("mark").last).to_contain_text(f"{size['s3SizeInBytes']:,} bytes")
        await expect(row).to_contain_text("differs")
        assert await page.locator("mark").count() == 2 * len(size["discrepancyType"].split(", "))


async def test_a_key_is_copied_by_its_button(served: Served, browser: Browser) -> None:
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=served.address)
        await page.goto(place(served, "phantoms"))
        key = await page.locator("table.findings code.key").first.text_content()
        await page.locator("table.findings button.copy").first.click()
        await expect(page.locator("table.findings button.copy").first).to_have_text("Copied")
        assert await page.evaluate("navigator.clipboard.readText()") == key


async def test_the_keyboard_is_enough(served: Served, browser: Browser) -> None:
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.goto("/")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.textContent") == "Which collections, since when":
                break
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Which collections lost files, and since when")).to_be_visible()
        for _ in range(40):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.matches('tbody th a')"):
                break
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Those that are chosen")).to_be_visible()


async def test_the_colours_that_were_chosen_stay(served: Served, browser: Browser) -> None:
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.goto(place(served, "location"))
        light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.get_by_role("button", name="Use the dark colours").click()
        dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.reload()
        assert dark != light
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
        await expect(page.get_by_role("button", name="Use the light colours")).to_be_visible()


async def test_a_point_of_the_trend_leads_to_its_job(served: Served, browser: Browser) -> None:
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.goto(place(served, "location"))
        points = page.locator(".chart .scatterlayer .trace").first.locator(".points path")
        await expect(points).to_have_count(3)
        await page.locator(".chart").scroll_into_view_if_needed()
        box = await points.first.bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + box["width"] / 2 - 3, box["y"] + box["height"] / 2)
        await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
        await page.wait_for_timeout(200)
        await page.mouse.down()
        await page.mouse.up()
        await page.wait_for_url(re.compile(rf"/dashboard/jobs/{served.job_id}$"))


async def test_a_key_turns_nothing_around_that_follows_it(served: Served, browser: Browser) -> None:
    async with visiting(browser, served.address) as visit:
        page = visit.page
        await page.goto(place(served, "phantoms"))
        turned = await page.locator("code.key").first.evaluate(
            """key => [key.textContent, '\u202e' + key.textContent].map((text) => {
                key.textContent = text;
                const after = document.createTextNode('follows');
                key.after(after);
                const range = document.createRange();
                const left = (place) => { range.setStart(after, place); range.setEnd(after, place + 1); return range.getBoundingClientRect().left; };
                const turned = left(0) > left(6);
                after.remove();
                return turned;
            })"""
        )
        assert turned == [False, False]
