"""Reading a table as Arrow, under one snapshot: in blocks and in parallel, or the few rows that an index finds."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from functools import partial
from types import TracebackType
from typing import Self, TypeAlias

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from adbc_driver_postgresql import StatementOptions
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.blocks import PACKED, PLAIN, checked, unpack
from app.db.connecting import connect_arrow
from app.db.queries import Queries
from app.db.stream import Stream, read_together

SQL = Queries("app.db", "table.sql")
STREAMS = 2
LOCK_TIMEOUT_S = 5
BLOCK_PAGES = 128
"""About half a megabyte in a block: less is more to do for each row, and more no longer in a processor's cache."""
BATCH_BYTES = 2**21
Received: TypeAlias = Callable[[pa.RecordBatch, pa.Schema], pa.RecordBatch]


class TableReader:
    """Rows of one table in the state that a transaction sees, in no order.

    `stream` gives the columns in `schema`, which are NOT NULL and of the types `NUMBER`, `TEXT` or `TIME`: what COPYs
    of the `statements` give, each on a connection and in a thread of its own. `rows` counts what the last reading gave,
    and `failure` is why one of its COPYs broke.
    """

    def __init__(self, url: str, snapshot: str, statements: list[str], schema: pa.Schema, received: Received) -> None:
        self.rows = 0
        self.failure: Exception | None = None
        self.statements = statements
        self._url = url
        self._snapshot = snapshot
        self._schema = schema
        self._received = received
        self._open: list[tuple[adbc.Connection, adbc.Cursor]] = []
        self._cancelled = False
        self._batches: Generator[pa.RecordBatch] | None = None

    @classmethod
    async def under(
        cls,
        connection: AsyncConnection,
        url: str,
        table: str,
        schema: pa.Schema,
        condition: str,
        value: str | int,
        *,
        few: bool = False,
    ) -> Self:
        """Prepare to read what `connection`'s REPEATABLE READ transaction sees; it has to stay open meanwhile.

        `table` is the name of a single table, quoted by PostgreSQL. Of its rows those are read that fulfil `condition`,
        in which `%1$L` stands for `value`: where they are `few`, as the planner finds them; else by going through the
        whole table in blocks, several ranges of its pages at a time.
        """
        name, written, received = ("rows", PLAIN, checked) if few else ("part", PACKED, unpack)
        columns = ", ".join(written[field.type].format(field.name) for field in schema)
        template = SQL[name].text.replace("the_columns", columns)
        values = {
            "template": template.replace("the_table", table.replace("%", "%%")).replace("the_condition", condition),
            "table": table,
            "value": str(value),
            "block_pages": BLOCK_PAGES,
            "parts": 1 if few else STREAMS,
        }
        snapshot = (await connection.execute(SQL["snapshot"])).scalar_one()
        statements = (await connection.execute(SQL["parts"], values)).scalars()
        return cls(url, snapshot, list(statements), schema, received)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.cancel()
        self._close()

    def cancel(self) -> None:
        """Stop the readers, from any thread, and begin no more."""
        self._cancelled = True
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
        connection = connect_arrow(self._url)
        cursor = connection.cursor()
        self._open.append((connection, cursor))
        if self._cancelled:
            raise ConnectionAbortedError("the reading is over")
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(f"SET TRANSACTION SNAPSHOT '{self._snapshot}'")
        # Whoever wants the table for himself waits for the snapshot's transaction, and this one for him: no deadlock to
        # PostgreSQL, which does not know that the snapshot's transaction waits for this one.
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
        cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: BATCH_BYTES})
        cursor.execute(statement)
        return cursor.fetch_record_batch()

    def _copied(self, statement: str) -> Iterator[pa.RecordBatch]:
        return (self._received(batch, self._schema) for batch in self._copy(statement))

    def _read(self, advanced: Callable[[int], None] | None) -> Generator[pa.RecordBatch]:
        self.rows = 0
        try:
            # Each begins in its own thread: PostgreSQL says nothing of a COPY until there are some kilobytes of it.
            copies = [partial(self._copied, statement) for statement in self.statements]
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
