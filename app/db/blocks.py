"""Rows in blocks: of some thousand rows PostgreSQL sends each column in one value.

To send and to receive each value of each row by itself takes both sides most of their time. A number goes as its eight
bytes, the most significant first, a time as such a number, and a text ends where the next NUL is, which no text in
PostgreSQL holds.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

NUMBER, TEXT, TIME = pa.int64(), pa.string(), pa.timestamp("us", "UTC")
PACKED = {
    NUMBER: "string_agg(int8send(source.{0}), '') AS {0}",
    TEXT: "string_agg(textsend(source.{0}), '\\x00') AS {0}",
    TIME: "string_agg(timestamptz_send(source.{0}), '') AS {0}",
}
"""How PostgreSQL packs a column of `source`, by its type."""
PLAIN = {NUMBER: "CAST(source.{0} AS int8) AS {0}", TEXT: "source.{0}", TIME: "source.{0}"}
"""How it gives one that is not packed."""
_POSTGRESQL_EPOCH = 946_684_800_000_000  # 2000-01-01, in microseconds since 1970


def unpack(blocks: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give the rows of `schema` that are in blocks, whose columns have the same names.

    Raises `ValueError` where columns have not as many values as each other, or a text is not UTF-8.
    """
    columns = [_UNPACKED[field.type](blocks.column(field.name)) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def checked(rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give rows that were not packed as those of `schema`. Raises `ValueError` where a text is not UTF-8."""
    rows.validate(full=True)
    return rows.cast(schema)


def _numbers(packed: pa.BinaryArray) -> pa.Array:
    numbers = array("q")
    for block in packed:
        numbers.frombytes(block.as_buffer())
    if sys.byteorder == "little":
        numbers.byteswap()
    return pa.Array.from_buffers(NUMBER, len(numbers), [None, pa.py_buffer(numbers)])


def _texts(packed: pa.BinaryArray) -> pa.Array:
    return pc.list_flatten(pc.split_pattern(packed, "\0")).cast(TEXT)


def _times(packed: pa.BinaryArray) -> pa.Array:
    return pc.add_checked(_numbers(packed), _POSTGRESQL_EPOCH).cast(TIME)


_UNPACKED: dict[pa.DataType, Callable[[pa.BinaryArray], pa.Array]] = {NUMBER: _numbers, TEXT: _texts, TIME: _times}
