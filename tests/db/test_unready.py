"""A database that answers and yet cannot be used is not said to be away."""

from __future__ import annotations

import asyncio

import pytest

from app.db.connecting import connect, connect_arrow
from app.db.engine import Database
from app.db.migrations import upgrade
from app.db.retry import may_pass
from app.jobs.reasons import reason
from tests.support.cluster import cluster
from tests.support.orca import orca_database
from tests.support.postgres import Server
from tests.support.service import command


async def refusals(url: str) -> list[str]:
    """Connect in each way; give what is said of the refusals, which may pass."""
    with pytest.raises(Exception, match="connection") as small:
        await connect(url)
    with pytest.raises(Exception, match="connection") as bulk:
        await asyncio.to_thread(connect_arrow, url)
    assert may_pass(small.value)
    assert may_pass(bulk.value)
    return [reason(small.value), reason(bulk.value)]


async def test_the_limit_that_leaves_no_connection_is_named(server: Server) -> None:
    async with server.fresh() as name, server.login("CONNECTION LIMIT 0") as none, server.login() as login:
        for said in await refusals(server.url(name, none)):
            assert "no connection left for the service, by the CONNECTION LIMIT of its login: raise that" in said
        await server.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
        for said in await refusals(server.url(name, login)):
            assert "by the CONNECTION LIMIT of the database" in said


async def test_a_server_that_is_full_is_said_to_be_so() -> None:
    with cluster() as server:
        await server.execute("ALTER SYSTEM SET superuser_reserved_connections = 149", "CREATE ROLE login LOGIN")
        server.stop()
        server.start()
        held = await connect(server.url())
        for said in await refusals(server.url(user="login")):
            assert "by max_connections" in said
        await held.close()


async def test_a_migration_that_waits_in_vain_says_for_what(server: Server) -> None:
    async with orca_database(server) as name:
        database = Database.at(server.url(name))
        holder = await connect(server.url(name))
        async with holder.transaction():
            await holder.execute("LOCK TABLE orca.reconcile_job")
            refused = await asyncio.to_thread(command, "migrate", RECONCILE_DATABASE_URL=server.url(name))
        await holder.close()
        assert refused.returncode == 2
        assert refused.stderr == (
            "The database is not ready: Somebody holds a lock on ORCA's tables, so that nothing was changed: "
            "try again when they are free.\n"
        )
        await upgrade(database)
        await database.dispose()
