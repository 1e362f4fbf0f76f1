"""The bell that PostgreSQL rings, and the connection over which it does."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from sqlalchemy import text

from app.db.alongside import alongside
from app.db.engine import Database
from app.jobs import bell as bells
from app.jobs.bell import Bell
from app.jobs.claim import claimed

LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^LISTEN'"


async def test_others_hear_of_a_run_that_is_let_go(database: Database) -> None:
    bell = Bell()
    async with asyncio.timeout(20), alongside(bell.listen(database)):
        async with claimed(database):
            async with database.reading() as connection:
                while not (await connection.execute(text(LISTENERS))).scalar_one():
                    await asyncio.sleep(0.02)
            waiting = asyncio.create_task(bell.wait(60))
            await asyncio.sleep(0)
        await waiting


async def test_who_cannot_listen_says_so_and_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "RECONNECT_S", 0.05)
    nowhere = Database.at("postgresql://postgres@127.0.0.1:1/postgres")
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(20), alongside(Bell().listen(nowhere)):
            while len(logs) < 2:
                await asyncio.sleep(0.02)
    told = {"event": "not listening", "log_level": "warning", "reason": "The database did not stay reachable."}
    assert logs[:2] == [{**told, "exc_info": None}] * 2
