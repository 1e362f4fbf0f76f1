"""Read the catalog of one archive location in parallel, under one snapshot, as Arrow."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing, suppress
from functools import partial
from types import TracebackType
from typing import Self

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from adbc_driver_postgresql import StatementOptions
from sqlalchemy.ext.asyncio import AsyncConnection

from app.catalog.blocks import FILES, unpack
from app.db.queries import Queries
from app.db.stream import read_together

SQL = Queries("app.catalog", "read.sql")
STREAMS = 2
BLOCK_PAGES = 128
"""About half a megabyte in a block: less is more to do for each row, and more no longer in a processor's cache."""
BATCH_BYTES = 2**21


class CatalogReader:
    """The files of one archive location in the state that `connection`'s transaction sees.

    `stream` gives an Arrow reader of `FILES`, the ETags as they are, in no order: what several COPYs give in blocks,
    each over a range of the pages, on a connection and in a thread of its own. `rows` counts what was read from all of
    them, `failure` is why one of them broke, `about` is how many files the planner's statistics know of, and
    `storage_classes` says what the ids mean.
    """

    def __init__(
        self, url: str, snapshot: str, statements: list[str], about: int, storage_classes: dict[int, str]
    ) -> None:
        self.storage_classes = storage_classes
        self.about = about
        self.rows = 0
        self.failure: Exception | None = None
        self._url = url
        self._snapshot = snapshot
        self._statements = statements
        self._open: list[tuple[adbc.Connection, adbc.Cursor]] = []
        self._batches: Generator[pa.RecordBatch] | None = None

    @classmethod
    async def under(cls, connection: AsyncConnection, url: str, archive_location: str) -> CatalogReader:
        """Prepare to read what `connection`'s REPEATABLE READ transaction sees; it has to stay open meanwhile."""
        snapshot = (await connection.execute(SQL["snapshot"])).scalar_one()
        about = (await connection.execute(SQL["about"])).scalar_one()
        classes = await connection.execute(SQL["storage_classes"])
        values = {
            "template": SQL["blocks"].text.rstrip(";"),
            "archive_location": archive_location,
            "block_pages": BLOCK_PAGES,
            "parts": STREAMS,
        }
        statements = await connection.execute(SQL["parts"], values)
        return cls(url, snapshot, list(statements.scalars()), about, {row.id: row.value for row in classes})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.cancel()
        if self._batches is not None:
            self._batches.close()
        for connection, cursor in self._open:
            with suppress(adbc.Error):  # a stream that was cancelled or cut has nothing left to close
                cursor.close()
            with suppress(adbc.Error):
                connection.close()

    def cancel(self) -> None:
        """Stop the readers, from any thread."""
        for _, cursor in self._open:
            with suppress(adbc.Error):
                cursor.adbc_cancel()

    def stream(self, advanced: Callable[[int], None]) -> pa.RecordBatchReader:
        """Start the readers, which read ahead; `advanced` is told the number of files read so far."""
        copies = [partial(map, unpack, self._copy(statement)) for statement in self._statements]
        self._batches = self._counted(read_together(copies, len(copies)), advanced)
        return pa.RecordBatchReader.from_batches(FILES, self._batches)

    def _copy(self, statement: str) -> pa.RecordBatchReader:
        connection = adbc.connect(self._url)
        cursor = connection.cursor()
        self._open.append((connection, cursor))
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(f"SET TRANSACTION SNAPSHOT '{self._snapshot}'")
        cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: BATCH_BYTES})
        cursor.execute(statement)
        return cursor.fetch_record_batch()

    def _counted(
        self, batches: Generator[pa.RecordBatch], advanced: Callable[[int], None]
    ) -> Generator[pa.RecordBatch]:
        try:
            with closing(batches):
                for batch in batches:
                    yield batch
                    self.rows += batch.num_rows
                    advanced(self.rows)
        except (adbc.Error, pa.ArrowException, ValueError) as error:
            self.failure = error
            raise
        except OSError as error:
            # What Arrow makes of a connection that breaks in the middle of a COPY.
            self.failure = ConnectionError(str(error))
            raise
