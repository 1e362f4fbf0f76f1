"""Connections are of a kind that PostgreSQL gives up when nobody is there any more."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db.engine import Database
from tests.support.spark import Postgres

GIVEN_UP = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}


@pytest.fixture
def on_tcp() -> Iterator[str]:
    """Give the URL of a PostgreSQL on TCP: over a Unix socket, as in the other tests, there are no keepalives."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        Path(folder).chmod(0o755)
        server = Postgres.start(Path(folder) / "server")
        yield f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
        server.remove()


async def test_within_a_minute_postgresql_notices_that_a_machine_is_gone(on_tcp: str) -> None:
    database = Database.at(on_tcp)
    async with database.reading() as connection:
        shown = {name: (await connection.execute(text(f"SHOW {name}"))).scalar_one() for name in GIVEN_UP}
    await database.dispose()
    assert {name: int(value) for name, value in shown.items()} == GIVEN_UP
