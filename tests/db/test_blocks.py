"""Rows that PostgreSQL packs into blocks are unpacked letter for letter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from struct import pack

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.blocks import NUMBER, TEXT, TIME, unpack
from tests.strategies import keys

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
