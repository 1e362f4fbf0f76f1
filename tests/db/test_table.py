"""A table comes whole out of PostgreSQL, in blocks or by an index: every row that is asked for, once, letter for letter."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from sqlalchemy import text

from app.db import table as reading
from app.db.blocks import NUMBER, TEXT, TIME
from app.db.engine import Database
from app.db.retry import may_pass
from app.db.table import TableReader
from tests.strategies import AWKWARD
from tests.support.table import whole
from tests.support.traces import WAITING

SCHEMA = pa.schema({"number": NUMBER, "words": TEXT, "moment": TIME})
POSTGRESQL_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("few", "pages"), [(False, 1), (False, 128), (True, 128)])
@pytest.mark.parametrize("table", ["orca.plain", 'orca."50%s of a $1 table"'])
async def test_every_row_is_read_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, table: str, pages: int, *, few: bool
) -> None:
    monkeypatch.setattr(reading, "BLOCK_PAGES", pages)
    rows = [
        (number, f"{word}{number}{'x' * 700}", POSTGRESQL_EPOCH + timedelta(days=number))
        for number, word in enumerate(AWKWARD)
    ]
    async with database.transaction() as connection:
        await connection.execute(
            text(f"CREATE TABLE {table} (number int8, words text, moment timestamptz, whose text)")
        )
        for whose in ("it's ours", "theirs"):
            values = [dict(zip("nwm", row, strict=True), whose=whose) for row in rows]
            await connection.execute(text(f"INSERT INTO {table} VALUES (:n, :w, :m, :whose)"), values)
        # The first pages have nothing to give.
        await connection.execute(text(f"DELETE FROM {table} WHERE number < 20"))
    assert await _read(database, table, "nobody's", few=few) == []
    assert await _read(database, table, "it's ours", few=few) == rows[20:]


async def _read(database: Database, table: str, whose: str, *, few: bool) -> list[tuple[object, ...]]:
    async with database.snapshot() as connection:
        reader = await TableReader.under(connection, database.url, table, SCHEMA, "whose = %1$L", whose, few=few)
        # What comes later is not in the snapshot.
        async with database.transaction() as other:
            await other.execute(text(f"UPDATE {table} SET words = 'changed' WHERE whose = :whose"), {"whose": whose})
        table_read = await whole(reader)
    assert reader.rows == table_read.num_rows
    return sorted(tuple(row.values()) for row in table_read.to_pylist())


async def test_who_waits_for_a_lock_lets_go_in_the_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the snapshot and its readers somebody asks for the whole table, who waits for one and is waited for by the others."""
    monkeypatch.setattr(reading, "LOCK_TIMEOUT_S", 1)
    async with database.transaction() as connection:
        await connection.execute(
            text("CREATE TABLE orca.plain (number int8, words text, moment timestamptz, whose text)")
        )
    async with database.snapshot() as connection:
        await connection.execute(text("SELECT FROM orca.plain"))
        reader = await TableReader.under(connection, database.url, "orca.plain", SCHEMA, "whose = %1$L", "ours")

        async def rewrite() -> None:
            async with database.transaction() as other:
                await other.execute(text("LOCK TABLE orca.plain IN ACCESS EXCLUSIVE MODE"))

        rewriting = asyncio.create_task(rewrite())
        async with database.reading() as looking:
            while not (await looking.execute(text(WAITING), {"table": "orca.plain"})).scalar_one():
                await asyncio.sleep(0.02)
        async with asyncio.timeout(20):
            with pytest.raises(Exception, match="lock timeout"):
                await whole(reader)
        assert reader.failure is not None
        assert may_pass(reader.failure)
    await rewriting
