"""Handing rows that were found outside the database to the publishing transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.publish import SQL
from app.db.blocking import in_thread

BATCH_ROWS = 2_048
"""How many rows an engine hands over at a time: so few that nobody else waits long for the interpreter."""

Opening: TypeAlias = Callable[[], pa.RecordBatchReader]
"""Begins to give rows. Called in a thread: a query may have done most of its work once it begins."""


class Handing:
    """Rows of either side that have no equal on the other, copied into `unequal` batch by batch."""

    def __init__(self, connection: AsyncConnection, interrupt: Callable[[], None]) -> None:
        self._connection = connection
        self._interrupt = interrupt

    async def start(self) -> None:
        """Create the table, empty."""
        await self._connection.execute(SQL["prepare"])

    async def rows(self, opening: Opening) -> None:
        """Copy some rows; columns of the table that they have not take their defaults."""
        rows = await in_thread(opening, interrupt=self._interrupt)
        driver = (await self._connection.get_raw_connection()).driver_connection
        assert driver is not None  # noqa: S101  (a connection in a transaction has its driver's)
        await driver.copy_records_to_table("unequal", records=self._records(rows), columns=rows.schema.names)

    async def _records(self, rows: pa.RecordBatchReader) -> AsyncIterator[tuple[object, ...]]:
        def some() -> list[tuple[object, ...]] | None:
            batch = next(rows, None)
            return None if batch is None else list(zip(*(column.to_pylist() for column in batch.columns), strict=True))

        while (records := await in_thread(some, interrupt=self._interrupt)) is not None:
            for record in records:
                yield record
