from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio

from app.db.engine import Database
from app.settings import Settings
from tests.support.postgres import Server
from tests.support.seaweed import Seaweed, running
from tests.support.spark_session import on_tcp, remote, servers, tcp_server

__all__ = ["on_tcp", "remote", "servers", "tcp_server"]

# How long an example takes says more of the machine than of us.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("RECONCILE_", "AWS_", "OTEL_")):
            monkeypatch.delenv(name)


def _folder(link: Path) -> Path:
    """Give a folder that is not one of pytest's, the same to all who name it so.

    Each session of pytest that begins takes those of all others away from everybody but their owner, and for root
    PostgreSQL runs as somebody else.
    """
    made = tempfile.mkdtemp(prefix="pg-")
    try:
        link.symlink_to(made)
    except FileExistsError:
        os.rmdir(made)  # noqa: PTH106  (it is a name and no more)
    return link.readlink()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Give the session's PostgreSQL server; the workers of pytest-xdist share the one of their parent folder."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    server = Server(_folder(shared / "pg"))
    await server.make_template()
    yield server


@pytest_asyncio.fixture(loop_scope="session")
async def database(server: Server) -> AsyncIterator[Database]:
    """Give a migrated, empty database that no other test sees."""
    async with server.fresh() as name:
        database = Database.at(server.url(name))
        yield database
        await database.dispose()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings with folders of the test's own."""
    return Settings(data_dir=tmp_path)


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    """Give a real S3 server, this worker's own; its folder has a short path, since sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="weed-"))
    try:
        with running(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)
