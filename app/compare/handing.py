"""Handing differences that were found outside the database to the publishing transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.publish import SQL
from app.db.blocking import in_thread


class Handing:
    """The temporary tables `difference` and `unequal_file` of one publishing transaction, filled batch by batch."""

    def __init__(self, connection: AsyncConnection, interrupt: Callable[[], None]) -> None:
        self._connection = connection
        self._interrupt = interrupt

    async def start(self) -> None:
        """Create the two tables, empty."""
        await self._connection.execute(SQL["prepare"])
        await self._connection.execute(SQL["prepare_files"])

    async def objects(self, rows: pa.RecordBatchReader) -> None:
        """Copy what S3 says of keys: the columns of `difference`."""
        await self._copy("difference", rows)
        await self._connection.execute(SQL["analyze"])

    async def files(self, rows: pa.RecordBatchReader) -> None:
        """Copy ids of files that have no equal object, after all objects: those without any object become phantoms."""
        await self._copy("unequal_file", rows)
        await self._connection.execute(SQL["analyze_files"])
        await self._connection.execute(SQL["add_files"])

    async def _copy(self, table: str, rows: pa.RecordBatchReader) -> None:
        driver = (await self._connection.get_raw_connection()).driver_connection
        assert driver is not None  # noqa: S101  (a connection in a transaction has its driver's)
        await driver.copy_records_to_table(table, records=self._records(rows), columns=rows.schema.names)

    async def _records(self, rows: pa.RecordBatchReader) -> AsyncIterator[tuple[object, ...]]:
        while batch := await in_thread(lambda: next(rows, None), interrupt=self._interrupt):
            for record in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield record
