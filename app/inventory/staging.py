"""Staging: an inventory's rows into `reconcile_s3_object`, by several binary COPY streams."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import duckdb
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression, FunctionExpression
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.blocking import in_thread
from app.db.duck import open_duckdb
from app.db.engine import Database
from app.db.retry import sqlstate
from app.inventory.relation import InventoryFiles

STREAMS = 2
BATCH_ROWS = 50_000
MEMORY_LIMIT = 150_000_000
UNIQUE_VIOLATION = "23505"


async def load(
    database: Database, run_id: int, job_id: int, inventory: InventoryFiles, report: Callable[[int], None]
) -> int:
    """Copy the inventory's rows into a table of the run's own and give their number; nobody else sees them yet.

    `report` is told the number of rows so far. Memory does not grow with the inventory. Raises `BadInventory`.
    """
    async with database.transaction() as connection:
        table = (await connection.execute(text("SELECT orca.reconcile_begin_load(:run)"), {"run": run_id})).scalar_one()
    progress = _Progress(report)
    with closing(open_duckdb(MEMORY_LIMIT, threads=STREAMS)) as memory:
        streams = [
            _Stream(database.url, table, job_id, inventory, inventory.paths[n::STREAMS], memory.cursor(), progress)
            for n in range(min(STREAMS, len(inventory.paths)))
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for stream in streams:
                    group.create_task(in_thread(stream.copy, interrupt=stream.interrupt))
        except* duckdb.Error as errors:
            raise inventory.explain(next(_leaves(errors))) from errors
    return progress.rows


async def seal(database: Database, run_id: int, inventory: InventoryFiles) -> None:
    """Key what `load` loaded. Raises `BadInventory` when a key is listed twice."""
    try:
        async with database.transaction() as connection:
            await connection.execute(text("SELECT orca.reconcile_seal_load(:run)"), {"run": run_id})
    except DBAPIError as error:
        if sqlstate(error) != UNIQUE_VIOLATION:
            raise
        key = await _key_listed_twice(database, run_id)
        raise await asyncio.to_thread(inventory.explain_duplicate, key) from error


async def attach(connection: AsyncConnection, run_id: int) -> None:
    """Make the sealed rows the archive location's partition, in the caller's transaction; waits little for locks."""
    await connection.execute(text("SET LOCAL lock_timeout = '5s'"))
    await connection.execute(text("SELECT orca.reconcile_attach_load(:run)"), {"run": run_id})


async def drop(connection: AsyncConnection, run_id: int) -> None:
    """Drop what `load` loaded, if it is still there."""
    await connection.execute(text("SELECT orca.reconcile_drop_load(:run)"), {"run": run_id})


async def _key_listed_twice(database: Database, run_id: int) -> str:
    async with database.reading() as connection:
        table = (
            await connection.execute(
                text("SELECT quote_ident('reconcile_load_' || CAST(:run AS int8))"), {"run": run_id}
            )
        ).scalar_one()
        twice = text("SELECT key_path FROM orca.loaded GROUP BY key_path HAVING count(*) > 1 ORDER BY key_path LIMIT 1")
        return str((await connection.execute(text(twice.text.replace("loaded", table)))).scalar_one())


class _Progress:
    """Counts the rows of all streams."""

    def __init__(self, report: Callable[[int], None]) -> None:
        self.rows = 0
        self._lock = threading.Lock()
        self._report = report

    def add(self, rows: int) -> None:
        with self._lock:
            self.rows += rows
        self._report(self.rows)


class _Stream:
    """One COPY of some of the inventory's files, in a thread of its own."""

    def __init__(
        self,
        url: str,
        table: str,
        job_id: int,
        inventory: InventoryFiles,
        paths: tuple[Path, ...],
        memory: duckdb.DuckDBPyConnection,
        progress: _Progress,
    ) -> None:
        self._url = url
        self._table = table
        self._job_id = job_id
        self._inventory = inventory
        self._paths = paths
        self._memory = memory
        self._progress = progress
        self._cursor: adbc.Cursor | None = None

    def interrupt(self) -> None:
        self._memory.interrupt()
        if self._cursor is not None:
            self._cursor.adbc_cancel()

    def copy(self) -> None:
        rows = self._rows()
        with adbc.connect(self._url) as database, database.cursor() as cursor:
            self._cursor = cursor
            batches = pa.RecordBatchReader.from_batches(rows.schema, self._counted(rows))
            cursor.adbc_ingest(self._table, batches, mode="append", db_schema_name="orca")
            database.commit()

    def _rows(self) -> pa.RecordBatchReader:
        """Read the rows in the columns of `reconcile_s3_object`, with ETags in quotes as ORCA writes them."""
        quote = ConstantExpression('"')
        etag = FunctionExpression("concat", quote, ColumnExpression("etag"), quote)
        return (
            self._inventory.relation(self._memory, self._paths)
            .select(
                ConstantExpression(self._job_id).cast("BIGINT").alias("job_id"),
                ConstantExpression(self._inventory.manifest.source_bucket).alias("orca_archive_location"),
                ColumnExpression("key_path"),
                etag.alias("etag"),
                ColumnExpression("last_update"),
                ColumnExpression("size_in_bytes"),
                ColumnExpression("storage_class"),
                ConstantExpression(False).alias("delete_marker"),  # noqa: FBT003  (a value of SQL, not a flag)
            )
            .to_arrow_reader(BATCH_ROWS)
        )

    def _counted(self, rows: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        for batch in rows:
            yield batch
            self._progress.add(batch.num_rows)


def _leaves(errors: BaseExceptionGroup[duckdb.Error]) -> Iterator[duckdb.Error]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
