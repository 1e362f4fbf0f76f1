"""A table that is read in blocks comes whole out of PostgreSQL: every row that is asked for, once, letter for letter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from struct import pack

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import blocks
from app.db.blocking import in_thread
from app.db.blocks import NUMBER, TEXT, TIME, BlockReader, unpack
from app.db.engine import Database
from tests.strategies import AWKWARD, keys

SCHEMA = pa.schema({"number": NUMBER, "words": TEXT, "moment": TIME})
POSTGRESQL_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

Row = tuple[int, str, datetime]

ROWS = st.lists(
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.just("") | keys(), st.datetimes(timezones=st.just(UTC))),
    min_size=1,
    max_size=6,
)


@given(st.lists(ROWS, max_size=4))
def test_blocks_hold_their_rows(blocks: list[list[Row]]) -> None:
    unpacked = unpack(_packed(*blocks), SCHEMA)
    assert [tuple(row.values()) for row in unpacked.to_pylist()] == [row for rows in blocks for row in rows]


def test_a_block_of_unequal_columns_is_refused() -> None:
    two = _packed([(1, "a", POSTGRESQL_EPOCH), (2, "b", POSTGRESQL_EPOCH)])
    with pytest.raises(ValueError, match="same length"):
        unpack(two.set_column(1, "words", pa.array([b"a"])), SCHEMA)


def _packed(*blocks: Sequence[Row]) -> pa.RecordBatch:
    """Pack rows as PostgreSQL does."""
    packed = []
    for rows in blocks:
        numbers, words, moments = zip(*rows, strict=True)
        since = [(moment - POSTGRESQL_EPOCH) // timedelta(microseconds=1) for moment in moments]
        each = f">{len(rows)}q"
        packed.append((pack(each, *numbers), b"\0".join(word.encode() for word in words), pack(each, *since)))
    values = [[row[place] for row in packed] for place in range(len(SCHEMA))]
    return pa.RecordBatch.from_arrays([pa.array(column, pa.binary()) for column in values], names=SCHEMA.names)


@pytest.mark.parametrize("pages", [1, 128])
@pytest.mark.parametrize("table", ["orca.plain", 'orca."50%s of a $1 table"'])
async def test_every_row_is_read_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, table: str, pages: int
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_PAGES", pages)
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
    assert await _read(database, table, "nobody's") == []
    assert await _read(database, table, "it's ours") == rows[20:]


async def _read(database: Database, table: str, whose: str) -> list[tuple[object, ...]]:
    async with database.engine.connect() as pooled:
        connection = await pooled.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            reader = await BlockReader.under(connection, database.url, table, SCHEMA, "whose = %1$L", whose)
            # What comes later is not in the snapshot.
            async with database.transaction() as other:
                await other.execute(
                    text(f"UPDATE {table} SET words = 'changed' WHERE whose = :whose"), {"whose": whose}
                )

            def rows() -> pa.Table:
                with reader:
                    return pa.RecordBatchReader.from_stream(reader.stream()).read_all()

            table_read = await in_thread(rows, interrupt=reader.cancel)
    assert reader.rows == table_read.num_rows
    return sorted(tuple(row.values()) for row in table_read.to_pylist())
