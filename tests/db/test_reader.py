"""Statements that take too long are stopped where they run, and are not sent again."""

from __future__ import annotations

import time

import pytest
from asyncpg import QueryCanceledError
from sqlalchemy import text

from app.api.problems import of_error
from app.db import reader as readers
from app.db.engine import Database
from app.db.reader import Prepared, Reader

SLOW = Prepared("SELECT pg_sleep(60)", ())
STILL_THERE = "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep' AND state = 'active'"


async def test_a_slow_statement_is_stopped_by_postgresql(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "STATEMENT_TIMEOUT_S", 1)
    async with Reader.at(database.url) as reader:
        began = time.monotonic()
        with pytest.raises(QueryCanceledError) as caught:
            await reader.rows(SLOW, {})
        assert 1 <= time.monotonic() - began < 10
        async with database.reading() as connection:
            assert (await connection.execute(text(STILL_THERE))).scalar_one() == 0
    problem = of_error(caught.value, "id")
    assert (problem.status, problem.type) == (503, "/problems/took-too-long")
