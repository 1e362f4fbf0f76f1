from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from app.jobs.model import EngineName
from app.settings import Settings
from tests.support.cluster import Cluster, cluster
from tests.support.postgres import Server
from tests.support.seaweed import Seaweed
from tests.support.unruly import Unruly, unruly

pytest.register_assert_rewrite("tests.faults.scene")
from tests.faults.scene import Scene  # noqa: E402  (its asserts say what they saw only from here on)


class Scenes(Protocol):
    """Makes a scene for an engine, on the session's server or on another."""

    async def __call__(self, engine: EngineName, *, on: Server = ...) -> Scene: ...


@pytest_asyncio.fixture(loop_scope="session")
async def store(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Unruly]:
    """Let the service speak to S3 through a proxy that misbehaves when told to."""
    async with unruly(seaweed.endpoint) as proxy:
        for name, value in {**seaweed.environment, "AWS_ENDPOINT_URL": proxy.endpoint}.items():
            monkeypatch.setenv(name, value)
        yield proxy


@pytest_asyncio.fixture(loop_scope="session")
async def own_server() -> AsyncIterator[Cluster]:
    """Give a PostgreSQL that the test may stop."""
    with cluster() as server:
        await server.make_template()
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def scenes(server: Server, store: Unruly, seaweed: Seaweed, tmp_path: Path) -> AsyncIterator[Scenes]:
    """Make scenes, each with a database and folders of its own."""
    numbers = itertools.count()
    async with AsyncExitStack() as stack:

        async def scene(engine: EngineName, *, on: Server = server) -> Scene:
            name = await stack.enter_async_context(on.fresh())
            settings = Settings(data_dir=tmp_path / str(next(numbers)))
            made = await Scene.of(on.url(name), settings, store, seaweed, engine)
            stack.push_async_callback(made.database.dispose)
            return made

        yield scene
