"""Whatever a login, a database, the environment or the URL sets, our sessions begin as we need them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import pytest_asyncio
from sqlalchemy import text

from app.db import connecting
from app.db.connecting import SETTINGS, connect, connect_arrow
from app.db.engine import Database
from app.db.reader import Prepared, Reader
from app.jobs.bell import Bell
from tests.support.defaults import IMPATIENT, STRANGE
from tests.support.postgres import Server

NAMES = ", ".join(f"'{name}'" for name in ("client_encoding", *SETTINGS))
ALL = f"SELECT json_object_agg(name, current_setting(name))::text, 'ü €' FROM unnest(ARRAY[{NAMES}]) AS name"
OURS = {"client_encoding": "UTF8", **SETTINGS}
OF_LISTENER = "SELECT query FROM pg_stat_activity WHERE application_name = 'orca-reconcile listener' AND datname = current_database()"


@pytest_asyncio.fixture(loop_scope="session", params=["", "&client_encoding=LATIN1", "&"])
async def url(server: Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Give the URL of a login with defaults that nobody would want, in a database that LATIN1 cannot tell of."""
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    async with server.fresh() as name, server.login(**IMPATIENT, **STRANGE) as login:
        await server.execute(
            'CREATE TABLE "таблица" ()', f"ALTER DATABASE {name} SET client_encoding = 'LATIN1'", database=name
        )
        yield server.url(name, login) + request.param


def read_by_arrow(url: str) -> tuple[object, ...] | None:
    with closing(connect_arrow(url)) as connection, connection.cursor() as cursor:
        connection.rollback()
        row: tuple[object, ...] | None = cursor.execute(ALL).fetchone()
        return row


async def test_every_connection_has_the_settings_that_it_relies_on(url: str) -> None:
    database = Database.at(url)
    async with database.reading() as connection, Reader.at(url) as reader:
        by_engine = (await connection.execute(text(ALL.replace(":", "\\:")))).one()
        by_reader = (await reader.rows(Prepared(ALL, ()), {}))[0]
        by_arrow = await asyncio.to_thread(read_by_arrow, url)
    await database.dispose()
    assert by_arrow is not None
    found = [(json.loads(str(row[0])), row[1]) for row in (by_engine, by_reader, by_arrow)]
    assert found == [(OURS, "ü €"), (OURS | {"statement_timeout": "30s"}, "ü €"), (OURS, "ü €")]


async def test_who_listens_goes_on_to(server: Server) -> None:
    async with server.fresh() as name, server.login(**IMPATIENT) as login:
        database, bell = Database.at(server.url(name, login)), Bell()
        listening = asyncio.create_task(bell.listen(database))
        await asyncio.sleep(2)
        async with database.reading() as connection:
            assert "LISTEN" in (await connection.execute(text(OF_LISTENER))).scalar_one()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await database.dispose()


async def test_an_older_postgresql_is_not_asked_for_what_it_has_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connecting.SETTINGS, "timeout_of_postgresql_40", "0")
    await (await connect(database.url)).close()
    await asyncio.to_thread(lambda: connect_arrow(database.url).close())
