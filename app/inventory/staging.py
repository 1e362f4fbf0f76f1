"""Staging: an inventory's rows into `reconcile_s3_object`, by several binary COPY streams."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

import adbc_driver_postgresql.dbapi as adbc
import duckdb
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression, FunctionExpression
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.blocking import in_thread
from app.db.connecting import connect_arrow
from app.db.duck import duckdb_aside
from app.db.engine import Database
from app.db.retry import sqlstate
from app.errors import BadInventory, StagedRowsLost
from app.inventory.relation import InventoryFiles
from app.inventory.second_pass import second_pass

STREAMS = 2
BATCH_ROWS = 5_000
MEMORY_LIMIT = 100_000_000
UNIQUE_VIOLATION = "23505"
UNDEFINED_TABLE = "42P01"
CALL = "SELECT orca.reconcile_{}_load(:run_id, :attempt)"


@dataclass(frozen=True, slots=True)
class Load:
    """The table into which one attempt of a run loads: another attempt, even of the same run, has another table."""

    run_id: int
    attempt: int

    @property
    def table(self) -> str:
        """Its name within schema orca, as `orca.reconcile_load_name` gives it; a plain identifier."""
        return f"reconcile_load_{self.run_id}_{self.attempt}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many rows were loaded, and how many of them are objects; the others are delete markers."""

    rows: int
    objects: int


async def load(
    database: Database, into: Load, job_id: int, inventory: InventoryFiles, report: Callable[[int], None]
) -> Loaded:
    """Copy the inventory's rows into a table of the attempt's own; nobody else sees them yet.

    Delete markers are among them, so that the key of the table tells of one beside an object.

    `report` is told the number of rows so far. Memory does not grow with the inventory. Raises `BadInventory`.
    """
    async with database.transaction() as connection:
        table = (await connection.execute(text(CALL.format("begin")), asdict(into))).scalar_one()
    async with duckdb_aside(MEMORY_LIMIT, threads=STREAMS) as memory:
        rows = _Rows(memory, inventory, job_id, report)
        streams = [_Stream(database.url, table, rows) for _ in range(STREAMS)]
        try:
            async with asyncio.TaskGroup() as group:
                for stream in streams:
                    group.create_task(in_thread(stream.copy, interrupt=stream.interrupt))
        except* (BadInventory, duckdb.Error, OSError, adbc.Error) as errors:
            # A faulty row fails the reading, and with it the COPY that reads; a COPY that fails interrupts the reading
            # of the other. What failed first is what counts.
            if rows.failure is None:
                raise
            if isinstance(rows.failure, adbc.Error):
                raise rows.failure from errors
            raise await second_pass(inventory.explain, rows.failure) from errors
    return Loaded(rows.read, rows.objects)


async def seal(database: Database, loaded: Load, rows: int, inventory: InventoryFiles) -> None:
    """Key what `load` loaded: what has a key is whole. Raises `BadInventory` when a key of S3's is listed twice.

    Raises `StagedRowsLost` when the table has not the `rows` that were loaded: PostgreSQL may lose what it confirmed.
    """
    count = text(f"SELECT count(*) FROM orca.{loaded.table}")  # noqa: S608  (a name of our own making)
    try:
        async with database.transaction() as connection:
            await connection.execute(text(CALL.format("seal")), asdict(loaded))
            if (await connection.execute(count)).scalar_one() != rows:
                raise StagedRowsLost
    except DBAPIError as error:
        state = sqlstate(error)
        if state == UNDEFINED_TABLE:
            raise StagedRowsLost from error
        if state != UNIQUE_VIOLATION:
            raise
        key = await _key_listed_twice(database, loaded)
        raise await second_pass(inventory.explain_duplicate, key) from error


async def attach(connection: AsyncConnection, loaded: Load) -> None:
    """Make the sealed rows the archive location's partition, in the caller's transaction; waits little for locks.

    Raises `StagedRowsLost` when they are not sealed, or not there.
    """
    sealed = text("SELECT indisvalid FROM pg_index WHERE indrelid = to_regclass(:table) AND indisprimary")
    if not (await connection.execute(sealed, {"table": f"orca.{loaded.table}"})).scalar_one_or_none():
        raise StagedRowsLost
    await connection.execute(text("SET LOCAL lock_timeout = '5s'"))
    await connection.execute(text(CALL.format("attach")), asdict(loaded))


async def drop(connection: AsyncConnection, run_id: int) -> None:
    """Drop what the attempts of a run loaded, if it is still there."""
    await connection.execute(text("SELECT orca.reconcile_drop_load(:run_id)"), {"run_id": run_id})


async def _key_listed_twice(database: Database, loaded: Load) -> str:
    twice = "SELECT key_path FROM orca.loaded GROUP BY key_path HAVING count(*) > 1 ORDER BY key_path LIMIT 1"
    async with database.reading() as connection:
        return str((await connection.execute(text(twice.replace("loaded", loaded.table)))).scalar_one())


class _Rows:
    """The inventory's rows in the columns of `reconcile_s3_object`, read once for all who copy them."""

    def __init__(
        self, memory: duckdb.DuckDBPyConnection, inventory: InventoryFiles, job_id: int, report: Callable[[int], None]
    ) -> None:
        self.read = self.objects = 0
        self.failure: Exception | None = None
        self._memory = memory
        self._report = report
        self._lock = threading.Lock()
        self._inventory = inventory
        self._job_id = job_id
        self._opened: pa.RecordBatchReader | None = None

    def interrupt(self) -> None:
        self._memory.interrupt()

    def fail(self, error: adbc.Error) -> None:
        """Take note that a COPY failed, unless the reading did before."""
        with suppress(Exception), self._first_failure():
            raise error

    def share(self) -> pa.RecordBatchReader:
        """Give a reader of batches that no other reader gets; what fails one reader fails them all."""
        with self._first_failure():
            if self._opened is None:
                self._opened = self._as_staged(self._inventory, self._job_id)
            return pa.RecordBatchReader.from_batches(self._opened.schema, self._batches(self._opened))

    def _batches(self, rows: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        while batch := self._next(rows):
            yield batch

    def _next(self, rows: pa.RecordBatchReader) -> pa.RecordBatch | None:
        with self._first_failure():
            batch = next(rows, None)
            if batch is not None:
                self.read += batch.num_rows
                self.objects += batch.num_rows - batch.column("delete_marker").true_count
                self._report(self.read)
            return batch

    @contextmanager
    def _first_failure(self) -> Iterator[None]:
        """Let one thread read at a time, and nobody after one has failed."""
        with self._lock:
            if self.failure is not None:
                raise self.failure
            try:
                yield
            except Exception as error:
                self.failure = error
                raise

    def _as_staged(self, inventory: InventoryFiles, job_id: int) -> pa.RecordBatchReader:
        """Read with ETags in quotes, as ORCA writes them."""
        quote = ConstantExpression('"')
        etag = FunctionExpression("concat", quote, ColumnExpression("etag"), quote)
        return (
            inventory.latest(self._memory)
            .select(
                ConstantExpression(job_id).cast("BIGINT").alias("job_id"),
                ConstantExpression(inventory.manifest.source_bucket).alias("orca_archive_location"),
                ColumnExpression("key_path"),
                etag.alias("etag"),
                ColumnExpression("last_update"),
                ColumnExpression("size_in_bytes"),
                ColumnExpression("storage_class"),
                ColumnExpression("delete_marker"),
            )
            .to_arrow_reader(BATCH_ROWS)
        )


class _Stream:
    """One COPY of whatever rows it gets hold of, in a thread of its own."""

    def __init__(self, url: str, table: str, rows: _Rows) -> None:
        self._url = url
        self._table = table
        self._rows = rows
        self._cursor: adbc.Cursor | None = None

    def interrupt(self) -> None:
        self._rows.interrupt()
        if self._cursor is not None:
            with suppress(adbc.Error):  # it is closed already
                self._cursor.adbc_cancel()

    def copy(self) -> None:
        batches = self._rows.share()
        try:
            with connect_arrow(self._url) as database, database.cursor() as cursor:
                self._cursor = cursor
                cursor.adbc_ingest(self._table, batches, mode="append", db_schema_name="orca")
                database.commit()
        except adbc.Error as error:
            self._rows.fail(error)
            raise
