"""Signing in with a browser: the cookie, how long it holds, and who else may use it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import SecretStr
from structlog.typing import EventDict

from app.api.session import COOKIE, seal
from app.db.engine import Database
from app.main import create_app
from app.settings import Scope, Settings
from tests.api.problem import problem_of
from tests.api.test_security import entry

READER, WRITER = entry("reader", Scope.READ), entry("writer", Scope.READ, Scope.WRITE)
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, api_tokens=(READER, WRITER))


def replica(app: object, **given: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="https://service", **given)


@pytest_asyncio.fixture(loop_scope="session")
async def browser(app: object) -> AsyncIterator[httpx.AsyncClient]:
    async with replica(app, headers={"Accept": "text/html"}) as client:
        yield client


async def sign_in(browser: httpx.AsyncClient, token: str, onward: str = "/dashboard") -> httpx.Response:
    return await browser.post("/login", data={"token": token, "next": onward}, headers=SAME_ORIGIN)


async def test_a_token_becomes_a_cookie_that_opens_the_api(browser: httpx.AsyncClient, logged: list[EventDict]) -> None:
    assert (await browser.get("/jobs")).status_code == 401
    answer = await sign_in(browser, "writer", "/jobs/1?tab=orphans")
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs/1?tab=orphans")
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"], cookie["path"]) == (True, True, "lax", "/")
    assert int(cookie["max-age"]) > 12 * 3600  # so that the service is sent it when it is over, and can say so
    assert "writer" not in {cookie.value, *cookie.value.split(".")}
    assert (await browser.get("/jobs")).status_code == 200
    assert (await browser.delete("/jobs/1", headers=SAME_ORIGIN)).status_code == 404
    assert [one["who"] for one in logged if one["event"] in {"login", "write"}] == ["writer", "writer"]
    answer = await browser.post("/logout", headers=SAME_ORIGIN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert (await browser.get("/jobs")).status_code == 401


async def test_without_https_the_cookie_can_still_be_sent(app: object) -> None:
    async with replica(app) as client:
        answer = await client.post("http://service/login", data={"token": "reader"})
    assert "secure" not in answer.headers["set-cookie"].lower()


async def test_a_session_may_what_its_token_may(browser: httpx.AsyncClient) -> None:
    await sign_in(browser, "reader")
    problem_of(await browser.delete("/jobs/1", headers=SAME_ORIGIN), 403, "not-allowed")


async def test_a_wrong_token_leads_back_to_the_page(browser: httpx.AsyncClient) -> None:
    answer = await sign_in(browser, "stranger", "/jobs/1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?refused=1&next=%2Fjobs%2F1")
    assert "set-cookie" not in answer.headers
    problem_of(await browser.post("/login", data={}, headers={"Accept": "*/*"}), 401, "no-token")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil",
        "/\t/evil",
        "javascript:x",
        "",
        "a",
        "/\n/e",
    ],
)
async def test_it_leads_to_no_other_site(browser: httpx.AsyncClient, elsewhere: str) -> None:
    assert (await sign_in(browser, "reader", elsewhere)).headers["location"] == "/"


@pytest.mark.parametrize("body", [b"token=%ff%00", b"\xff\xfe", b"token", b"&&&=", b"token=" + b"x" * 500_000])
async def test_any_other_form_is_refused(browser: httpx.AsyncClient, body: bytes) -> None:
    problem_of(await browser.post("/login", content=body, headers={"Accept": "*/*"}), 401, "no-token")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://service.evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://service"},
    ],
)
async def test_another_site_cannot_write_with_the_cookie(browser: httpx.AsyncClient, headers: dict[str, str]) -> None:
    await sign_in(browser, "writer")
    problem_of(await browser.delete("/jobs/1", headers=headers), 403, "cross-site")
    assert (await browser.get("/jobs", headers=headers)).status_code == 200
    with_token = {**headers, "Authorization": "Bearer writer"}
    assert (await browser.delete("/jobs/1", headers=with_token)).status_code == 404


async def test_another_site_can_press_no_button_of_any_page(app: FastAPI, browser: httpx.AsyncClient) -> None:
    await sign_in(browser, "writer")
    writing = {
        (method, route.path or "")
        for route in iter_route_contexts(app.routes)
        for method in (route.methods or set()) - {"GET", "HEAD"}
    }
    assert ("POST", "/dashboard/jobs/{id}/cancel") in writing
    for method, path in writing:
        answer = await browser.request(method, re.sub("{.*?}", "1", path), headers={"Sec-Fetch-Site": "cross-site"})
        assert (answer.status_code, "Only a page of this service" in answer.text) == (403, True), (method, path)


async def test_who_is_asked_to_sign_in_is_told_why(browser: httpx.AsyncClient, settings: Settings) -> None:
    asked = await browser.get("/dashboard/jobs", headers={"Cookie": "of_another_service=x"})
    assert asked.headers["location"] == "/login?next=%2Fdashboard%2Fjobs"
    past = seal(settings.model_copy(update={"session_hours": 1e-9}), READER)
    asked = await browser.get("/dashboard/jobs", headers={"Cookie": f"{COOKIE}={past}"})
    assert asked.headers["location"] == "/login?next=%2Fdashboard%2Fjobs&over=1"
    assert "Your session is over" in (await browser.get(asked.headers["location"])).text
    pressed = await browser.post(
        "/dashboard/jobs/7/cancel",
        headers={**SAME_ORIGIN, "Cookie": f"{COOKIE}={past}", "Referer": "https://service/dashboard/jobs/7?a=b"},
    )
    assert pressed.headers["location"] == "/login?next=%2Fdashboard%2Fjobs%2F7%3Fa%3Db&over=1&undone=1"
    assert "Nothing was done" in (await browser.get(pressed.headers["location"])).text
    for nowhere in ("", "x", "https://[", "https://elsewhere//evil.example/"):
        pressed = await browser.post("/dashboard/jobs/7/cancel", headers={**SAME_ORIGIN, "Referer": nowhere})
        assert pressed.headers["location"] == "/login?next=%2F&undone=1"


@pytest.mark.parametrize(("length", "kept"), [(8000, True), (8001, False), (20_000, False)])
async def test_a_long_path_is_remembered(browser: httpx.AsyncClient, length: int, kept: bool) -> None:
    path = "/dashboard/jobs?location=".ljust(length, "x")
    asked = await browser.get(f"/login?{urlencode({'next': path})}")
    assert (asked.status_code, f'value="{path if kept else "/"}"' in asked.text) == (200, True)
    assert (await sign_in(browser, "reader", path)).headers["location"] == (path if kept else "/")


async def test_older_browsers_and_plain_http_prove_it_by_origin(browser: httpx.AsyncClient) -> None:
    await sign_in(browser, "writer")
    assert (await browser.delete("/jobs/1", headers={"Origin": "https://service"})).status_code == 404
    assert (await browser.delete("/jobs/1", headers={"Origin": "http://service"})).status_code == 404


async def test_another_site_signs_nobody_in_or_out(browser: httpx.AsyncClient) -> None:
    for path in ("/login", "/logout"):
        answer = await browser.post(path, data={"token": "writer"}, headers={"Sec-Fetch-Site": "cross-site"})
        problem_of(answer, 403, "cross-site")


async def test_a_wrong_header_is_not_made_good_by_a_cookie(browser: httpx.AsyncClient) -> None:
    await sign_in(browser, "writer")
    assert (await browser.get("/jobs", headers={"Authorization": "Bearer stranger"})).status_code == 401


async def test_every_replica_knows_a_session_until_its_token_is_taken_away(
    settings: Settings, database: Database
) -> None:
    value = seal(settings, READER)
    same = Settings(data_dir=settings.data_dir, api_tokens=(WRITER, READER))
    without = Settings(data_dir=settings.data_dir, api_tokens=(WRITER,))
    renewed = Settings(
        data_dir=settings.data_dir,
        api_tokens=(WRITER, entry("reader2", Scope.READ).model_copy(update={"name": "reader"})),
    )
    salted = Settings(data_dir=settings.data_dir, api_tokens=(READER,), session_secret=SecretStr("s"))
    for known, status in ((same, 200), (without, 401), (renewed, 401), (salted, 401)):
        app = create_app(known)
        app.state.database = database
        async with replica(app, cookies={COOKIE: value}) as client:
            assert (await client.get("/jobs")).status_code == status


def forged() -> dict[str, str]:
    settings = Settings(api_tokens=(READER, WRITER))
    later = datetime.now(UTC) + timedelta(hours=1)
    mine = jwt.decode(seal(settings, READER), options={"verify_signature": False})
    header, payload, signature = seal(settings, READER).split(".")
    writers = seal(settings, WRITER).split(".")
    return {
        "over": seal(Settings(api_tokens=(READER,), session_hours=1e-9), READER),
        "unsigned": jwt.encode(mine, "", "none", {"kid": "writer"}),
        "signed by the public name": jwt.encode({"exp": later}, "writer" * 8, "HS256", {"kid": "writer"}),
        "signed by the stored hash": jwt.encode({"exp": later}, WRITER.sha256, "HS256", {"kid": "writer"}),
        "a reader's for a writer": ".".join((writers[0], payload, signature)),
        "longer than it was": ".".join((header, jwt.encode({"exp": later}, "k" * 32).split(".")[1], signature)),
        "no words": "x",
        "empty": "",
        "dots": "..",
        "bytes": "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
        "no end": jwt.encode({}, "k" * 32, "HS256", {"kid": "reader"}),
    }


@pytest.mark.parametrize("what", forged())
async def test_a_forged_or_finished_session_opens_nothing(app: object, what: str) -> None:
    async with replica(app, headers={b"Cookie": f"{COOKIE}={forged()[what]}".encode("latin-1")}) as client:
        problem_of(await client.get("/jobs"), 401, "no-token")


async def test_a_session_without_an_end_is_refused(app: object, settings: Settings) -> None:
    from app.api.session import _key  # noqa: PLC0415  (what only the service itself could sign)

    value = jwt.encode({}, _key(settings, READER), "HS256", {"kid": "reader"})
    async with replica(app, cookies={COOKIE: value}) as client:
        problem_of(await client.get("/jobs"), 401, "no-token")


async def test_where_nobody_is_asked_another_site_still_cannot_write(database: Database, tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path))
    app.state.database = database
    async with replica(app) as client:
        assert (await client.delete("/jobs/1")).status_code == 404
        problem_of(await client.delete("/jobs/1", headers={"Sec-Fetch-Site": "cross-site"}), 403, "cross-site")
        answer = await client.post("/login", data={"next": "/jobs"})
        assert (answer.headers["location"], answer.headers.get("set-cookie")) == ("/jobs", None)
