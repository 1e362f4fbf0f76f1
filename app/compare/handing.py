"""Handing differences that were found outside the database to the publishing transaction."""

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
"""Begins to give rows. Called in a thread: a query that sorts has done most of its work once it begins."""


class Handing:
    """What has no equal on the other side, batch by batch, and `difference` made of it in the same transaction."""

    def __init__(self, connection: AsyncConnection, interrupt: Callable[[], None]) -> None:
        self._connection = connection
        self._interrupt = interrupt

    async def start(self) -> None:
        """Create the two tables for it, empty."""
        await self._connection.execute(SQL["prepare"])
        await self._connection.execute(SQL["prepare_files"])

    async def objects(self, opening: Opening) -> None:
        """Copy what S3 says of keys: the columns of `unequal_object`."""
        await self._copy("unequal_object", opening)

    async def files(self, opening: Opening) -> None:
        """Copy ids of files that have no equal object."""
        await self._copy("unequal_file", opening)

    async def join_by_id(self) -> None:
        """Make `difference` of objects and files."""
        await self._connection.execute(SQL["analyze_objects"])
        await self._connection.execute(SQL["analyze_files"])
        await self._connection.execute(SQL["join_by_id"])

    async def join_by_key(self, archive_location: str) -> None:
        """Make `difference` of objects alone, for engines that also gave the keys of files as those of objects."""
        await self._connection.execute(SQL["analyze_objects"])
        await self._connection.execute(SQL["join_by_key"], {"archive_location": archive_location})

    async def _copy(self, table: str, opening: Opening) -> None:
        rows = await in_thread(opening, interrupt=self._interrupt)
        driver = (await self._connection.get_raw_connection()).driver_connection
        assert driver is not None  # noqa: S101  (a connection in a transaction has its driver's)
        await driver.copy_records_to_table(table, records=self._records(rows), columns=rows.schema.names)

    async def _records(self, rows: pa.RecordBatchReader) -> AsyncIterator[tuple[object, ...]]:
        def some() -> list[tuple[object, ...]] | None:
            batch = next(rows, None)
            return None if batch is None else list(zip(*(column.to_pylist() for column in batch.columns), strict=True))

        while (records := await in_thread(some, interrupt=self._interrupt)) is not None:
            for record in records:
                yield record
