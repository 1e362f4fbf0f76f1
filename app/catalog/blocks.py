"""The catalog as PostgreSQL sends it in blocks: each column's values of some thousand files in one value.

To send and to receive each value of each row by itself takes both sides most of their time. A number goes as its eight
bytes, the most significant first, and a text ends where the next NUL is, which no text in PostgreSQL holds.
"""

from __future__ import annotations

import sys
from array import array

import pyarrow as pa
import pyarrow.compute as pc

FILES = pa.schema(
    {
        "id": pa.int64(),
        "key_path": pa.string(),
        "etag": pa.string(),
        "size_in_bytes": pa.int64(),
        "storage_class_id": pa.int64(),
    }
)


def unpack(blocks: pa.RecordBatch) -> pa.RecordBatch:
    """Give the rows of `FILES` that are in blocks, whose columns have the same names.

    Raises `ValueError` where columns have not as many values as each other, or a text is not UTF-8.
    """
    columns = [
        _numbers(blocks.column(field.name)) if field.type == pa.int64() else _texts(blocks.column(field.name))
        for field in FILES
    ]
    return pa.RecordBatch.from_arrays(columns, schema=FILES)


def _numbers(packed: pa.BinaryArray) -> pa.Array:
    numbers = array("q")
    for block in packed:
        numbers.frombytes(block.as_buffer())
    if sys.byteorder == "little":
        numbers.byteswap()
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def _texts(packed: pa.BinaryArray) -> pa.Array:
    return pc.list_flatten(pc.split_pattern(packed, "\0")).cast(pa.string())
