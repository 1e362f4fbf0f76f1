"""Engine `duckdb`: the inventory's files where they lie, or its staged rows, against the catalog out of PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa
from duckdb import CaseExpression, ColumnExpression, ConstantExpression, Expression, FunctionExpression, StarExpression
from sqlalchemy.ext.asyncio import AsyncConnection

from app.catalog.read import Catalog
from app.compare.digests import look_up
from app.compare.engine import Comparison, Counted, Report
from app.compare.handing import BATCH_ROWS, Handing
from app.db.blocking import in_thread
from app.db.duck import NO_STATISTICS, duckdb_aside
from app.db.queries import Queries
from app.inventory.relation import InventoryFiles
from app.inventory.second_pass import second_pass
from app.inventory.sql import UNQUOTED, over_raw
from app.inventory.staged import StagedRows, staged_twice

SQL = Queries("app.compare", "duckdb.sql")
NUMBER = "size_in_bytes"
COUNTED = 0.8  # of the memory limit is given to DuckDB: when it spills it holds that much more than it counts
FILE_BYTES = 65  # a file takes in DuckDB's join: 34 as a row, the others as its share of up to four pointers a row


class DuckdbEngine:
    """Compares both sides in about `memory_limit` bytes, and spills to the folder `spill` beyond that.

    Rows are equal when 128 bits of hash over key and compared fields are. They are joined where the catalog's files fit
    in memory, and looked up by their digests where they do not. PostgreSQL is only read from, and given the
    differences: nothing is staged. Without an inventory's files it reads what the job has staged before.
    """

    name = "duckdb"

    def __init__(self, database_url: str, inventory: InventoryFiles | None, *, memory_limit: int, spill: Path) -> None:
        self._url = database_url
        self._inventory = inventory
        self._memory_limit = int(memory_limit * COUNTED)
        self._spill = spill

    async def fill(self, connection: AsyncConnection, comparison: Comparison, report: Report) -> Counted:
        """Fill `unequal` from both sides.

        Raises `BadInventory`, and for staged rows `InventorySuperseded`, `NotStaged`, `EngineUnavailable`.
        """
        where = comparison.archive_location
        inventory = self._inventory or await StagedRows.under(
            connection,
            self._url,
            archive_location=where,
            job_id=comparison.job_id,
            may_be_empty=comparison.force,
        )
        catalog = await Catalog.under(connection, self._url, where)
        readers = [catalog.files, *([inventory.reader] if isinstance(inventory, StagedRows) else [])]
        fits = catalog.about * FILE_BYTES <= self._memory_limit
        heads_limit = None if fits else self._memory_limit // 2
        async with duckdb_aside(self._memory_limit - (heads_limit or 0), spill=self._spill) as memory:

            def interrupt() -> None:
                for reader in readers:
                    reader.cancel()
                memory.interrupt()

            def advanced(rows: int) -> None:
                report("comparing", rows, max(catalog.about, rows), "files")

            def join() -> Counted:
                with ExitStack() as stack:
                    for reader in readers:
                        stack.enter_context(reader)
                    return _compare(memory, catalog, inventory, comparison.compared_fields, heads_limit, advanced)

            advanced(0)
            try:
                counted = await in_thread(join, interrupt=interrupt)
                handing = Handing(connection, interrupt)
                await handing.start()
                for rows in ("objects", "deleted", "files"):
                    await handing.rows(partial(_opened, memory, SQL[rows].text))
            except duckdb.Error as error:
                for reader in readers:
                    if reader.failure is not None:
                        # A stream that broke is the database's fault, whatever DuckDB makes of it.
                        raise reader.failure from error
                raise await second_pass(inventory.explain, error) from error
        return counted

    async def explain_duplicate(self, key: str) -> Exception:
        """Look for the places at which it is listed."""
        if self._inventory is None:
            return staged_twice(key)
        return await second_pass(self._inventory.explain_duplicate, key)


def _opened(memory: duckdb.DuckDBPyConnection, query: str) -> pa.RecordBatchReader:
    return memory.sql(query).to_arrow_reader(BATCH_ROWS)


def _compare(
    memory: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    inventory: InventoryFiles | StagedRows,
    compared_fields: tuple[str, ...],
    heads_limit: int | None,
    advanced: Callable[[int], None],
) -> Counted:
    """Find the rows without an equal: by a join, or by looking up digests with `heads_limit` bytes for their heads.

    Raises `BadInventory` when a key is listed twice.
    """
    head, tail = _equality(("key_path", *compared_fields))
    files = over_raw(memory.from_arrow(catalog.files.stream(advanced)), UNQUOTED)
    files = files.select(StarExpression(), _named(catalog.storage_classes).alias("storage_class"))
    files.select(ColumnExpression("id"), head, tail).create_view("file" if heads_limit is None else "catalog_file")
    inventory.latest(memory).create_view("s3")
    memory.view("s3").select(StarExpression(), _unless_deleted(head), tail).create_view("object")
    objects = None if heads_limit is None else look_up(memory, heads_limit)
    once = objects is not None
    if objects is None:
        joined = _joined(memory)
        ((files_alone, keys_alone),) = memory.execute(SQL["totals"].text).fetchall()
        objects = joined - files_alone
        # A file equals one object; more rows than files and keys of S3's without an equal: one was listed twice.
        once = joined == catalog.files.rows + keys_alone
    ((delete_markers,),) = memory.execute(SQL["delete_markers"].text).fetchall()
    found = _listed_twice(memory, inventory, "object_twice" if once else "listed_twice")
    if found is not None:
        raise found
    return Counted(inventory_objects=objects - delete_markers, catalog_files=catalog.files.rows)


def _joined(memory: duckdb.DuckDBPyConnection) -> int:
    """Fill `unequal` by a full join, and give how many rows that had."""
    # The files are what fits in memory.
    memory.execute(f"SET disabled_optimizers = '{NO_STATISTICS},build_side_probe_side'")
    memory.execute("PRAGMA enable_profiling = 'no_output'")
    memory.execute(SQL["unequal"].text)
    rows = _joined_rows(memory.get_profiling_information())
    memory.execute("PRAGMA disable_profiling")
    return rows


def _listed_twice(
    memory: duckdb.DuckDBPyConnection, inventory: InventoryFiles | StagedRows, query: str
) -> Exception | None:
    found = memory.execute(SQL[query].text).fetchall()
    return inventory.explain_duplicate(memory, found[0][0]) if found else None


def _named(storage_classes: Mapping[int, str]) -> Expression:
    """Give the storage class that a row's `storage_class_id` stands for."""
    name = ConstantExpression(None)
    for number, storage_class in storage_classes.items():
        is_it = ColumnExpression("storage_class_id") == ConstantExpression(number)
        name = CaseExpression(is_it, ConstantExpression(storage_class)).otherwise(name)
    return name


def _equality(columns: tuple[str, ...]) -> tuple[Expression, Expression]:
    """Give the 128 bits by which rows are equal, as two columns: DuckDB's hash has 64, so each text is hashed twice.

    Once by itself, and once in one text with all others. NUL stands after each there, since neither PostgreSQL's text
    nor an inventory that was accepted can hold it. The hash of a number is another number for each, so once will do.
    """
    texts = [ColumnExpression(column) for column in reversed(columns) if column != NUMBER]
    nul = ConstantExpression("\0")
    whole = FunctionExpression("concat", *(part for text in texts for part in (text, nul)))
    numbers = [ColumnExpression(column) for column in columns if column == NUMBER]
    head = FunctionExpression("hash", *map(ColumnExpression, columns))
    return head.alias("head"), FunctionExpression("hash", whole, *numbers).alias("tail")


def _unless_deleted(head: Expression) -> Expression:
    """Give a delete marker's first 64 bits for those of no file: of its key after NUL, which no text holds."""
    of_key = FunctionExpression(
        "hash", FunctionExpression("concat", ConstantExpression("\0"), ColumnExpression("key_path"))
    )
    return CaseExpression(ColumnExpression("delete_marker"), of_key).otherwise(head).alias("head")


def _joined_rows(profile: str) -> int:
    """Read from DuckDB's profile how many rows the full join gave, before they were filtered."""
    operators = list(orjson.loads(profile)["operator"])
    while operators:
        operator = operators.pop()
        if operator["type"] == "HASH_JOIN":
            return int(operator["intermediate_rows"])
        operators += operator["children"]
    raise LookupError("DuckDB's profile has no HASH_JOIN: its plan for the comparison has changed.")
