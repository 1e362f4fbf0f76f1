"""Reading a large table: in parallel, under one snapshot, in blocks of some thousand rows, as Arrow.

Of the rows of a block PostgreSQL sends each column in one value. To send and to receive each value of each row by
itself takes both sides most of their time. A number goes as its eight bytes, the most significant first, a time as such
a number, and a text ends where the next NUL is, which no text in PostgreSQL holds.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from functools import partial
from types import TracebackType
from typing import Self

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import StatementOptions
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.queries import Queries
from app.db.stream import Stream, read_together

SQL = Queries("app.db", "blocks.sql")
STREAMS = 2
BLOCK_PAGES = 128
"""About half a megabyte in a block: less is more to do for each row, and more no longer in a processor's cache."""
BATCH_BYTES = 2**21

NUMBER, TEXT, TIME = pa.int64(), pa.string(), pa.timestamp("us", "UTC")
_PACKED = {
    NUMBER: "string_agg(int8send(source.{0}), '') AS {0}",
    TEXT: "string_agg(textsend(source.{0}), '\\x00') AS {0}",
    TIME: "string_agg(timestamptz_send(source.{0}), '') AS {0}",
}
_POSTGRESQL_EPOCH = 946_684_800_000_000  # 2000-01-01, in microseconds since 1970


class BlockReader:
    """Rows of one table in the state that a transaction sees, in no order.

    `stream` gives the columns in `schema`, which are NOT NULL and of the types `NUMBER`, `TEXT` or `TIME`: what several
    COPYs give, each over a range of the pages, on a connection and in a thread of its own. `rows` counts what the last
    reading gave, and `failure` is why one of its COPYs broke.
    """

    def __init__(self, url: str, snapshot: str, statements: list[str], schema: pa.Schema) -> None:
        self.rows = 0
        self.failure: Exception | None = None
        self._url = url
        self._snapshot = snapshot
        self._statements = statements
        self._schema = schema
        self._open: list[tuple[adbc.Connection, adbc.Cursor]] = []
        self._batches: Generator[pa.RecordBatch] | None = None

    @classmethod
    async def under(
        cls, connection: AsyncConnection, url: str, table: str, schema: pa.Schema, condition: str, value: str | int
    ) -> Self:
        """Prepare to read what `connection`'s REPEATABLE READ transaction sees; it has to stay open meanwhile.

        `table` is the name of a single table, quoted by PostgreSQL. Of its rows those are read that fulfil `condition`,
        in which `%1$L` stands for `value`.
        """
        columns = ", ".join(_PACKED[field.type].format(field.name) for field in schema)
        template = SQL["part"].text.replace("the_columns", columns)
        values = {
            "template": template.replace("the_table", table.replace("%", "%%")).replace("the_condition", condition),
            "table": table,
            "value": str(value),
            "block_pages": BLOCK_PAGES,
            "parts": STREAMS,
        }
        snapshot = (await connection.execute(SQL["snapshot"])).scalar_one()
        statements = (await connection.execute(SQL["parts"], values)).scalars()
        return cls(url, snapshot, list(statements), schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.cancel()
        self._close()

    def cancel(self) -> None:
        """Stop the readers, from any thread."""
        for _, cursor in self._open:
            with suppress(adbc.Error):
                cursor.adbc_cancel()

    def stream(self, advanced: Callable[[int], None] | None = None) -> Stream:
        """Give the rows, read whenever the stream is; `advanced` is told the number of rows read so far."""
        return Stream(self._schema, partial(self._begin, advanced))

    def _begin(self, advanced: Callable[[int], None] | None) -> Generator[pa.RecordBatch]:
        self._close()
        self._batches = self._read(advanced)
        return self._batches

    def _close(self) -> None:
        if self._batches is not None:
            self._batches.close()
        for connection, cursor in self._open:
            with suppress(adbc.Error):  # a stream that was cancelled or cut has nothing left to close
                cursor.close()
            with suppress(adbc.Error):
                connection.close()
        self._open.clear()

    def _copy(self, statement: str) -> pa.RecordBatchReader:
        connection = adbc.connect(self._url)
        cursor = connection.cursor()
        self._open.append((connection, cursor))
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(f"SET TRANSACTION SNAPSHOT '{self._snapshot}'")
        cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: BATCH_BYTES})
        cursor.execute(statement)
        return cursor.fetch_record_batch()

    def _read(self, advanced: Callable[[int], None] | None) -> Generator[pa.RecordBatch]:
        self.rows = 0
        unpacked = partial(unpack, schema=self._schema)
        try:
            copies = [partial(map, unpacked, self._copy(statement)) for statement in self._statements]
            with closing(read_together(copies, len(copies))) as batches:
                for batch in batches:
                    yield batch
                    self.rows += batch.num_rows
                    if advanced is not None:
                        advanced(self.rows)
        except (adbc.Error, pa.ArrowException, ValueError) as error:
            self.failure = error
            raise
        except OSError as error:
            # What Arrow makes of a connection that breaks in the middle of a COPY.
            self.failure = ConnectionError(str(error))
            raise


def unpack(blocks: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give the rows of `schema` that are in blocks, whose columns have the same names.

    Raises `ValueError` where columns have not as many values as each other, or a text is not UTF-8.
    """
    columns = [_UNPACKED[field.type](blocks.column(field.name)) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


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
