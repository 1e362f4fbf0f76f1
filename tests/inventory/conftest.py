from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.seaweed import Seaweed
from tests.support.unruly import Unruly, unruly

pytest.register_assert_rewrite("tests.inventory.complaints")


@pytest.fixture
def s3(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Seaweed:
    """Let the service's own S3 client speak to the server."""
    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    return seaweed


@pytest_asyncio.fixture(loop_scope="session")
async def store(s3: Seaweed, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Unruly]:
    """Let it speak to the server through a proxy that misbehaves when told to."""
    async with unruly(s3.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Give the place of a spool; it does not exist yet."""
    return tmp_path / "spool"
