"""A login whose sessions are to be short is the service's too: its runs take as long as they take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.jobs.model import EngineName
from tests.faults.conftest import Scenes
from tests.faults.scene import PHASES
from tests.support.defaults import IMPATIENT, STRANGE
from tests.support.postgres import Server


@pytest_asyncio.fixture(loop_scope="session")
async def login(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    async with server.login("SUPERUSER", **IMPATIENT, **STRANGE) as login:
        yield login


@pytest.mark.parametrize(("engine", "place"), PHASES)
async def test_a_run_is_not_ended_by_its_login(login: str, scenes: Scenes, engine: EngineName, place: str) -> None:
    scene = await scenes(engine)
    scene.url = scene.url.replace("//postgres:", f"//{login}:")
    async with scene.runner():
        async with scene.held_up(place):
            await scene.stuck_at(place)
            await asyncio.sleep(2)
        await scene.ended()
    assert (await scene.is_right()).attempt == 1
