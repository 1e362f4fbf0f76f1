"""A table comes whole out of PostgreSQL, in blocks or by an index: every row that is asked for, once, letter for letter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from sqlalchemy import text

from app.db import table as reading
from app.db.blocks import NUMBER, TEXT, TIME
from app.db.engine import Database
from app.db.table import TableReader
from tests.strategies import AWKWARD
from tests.support.table import whole

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
