"""Load a catalog from a CSV or Parquet file, for archives whose catalog does not come from ORCA itself."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import duckdb

from app.catalog.file import COLUMNS, in_our_words, open_rows, typed
from app.db.connecting import connect_arrow
from app.db.duck import open_duckdb
from app.db.engine import Database
from app.db.queries import Queries
from app.errors import BadCatalog

SQL = Queries("app.catalog", "load.sql")
BATCH_ROWS = 50_000
MEMORY_LIMIT = 300_000_000


async def load_catalog(database: Database, file: Path) -> int:
    """Load the file's rows into `files`, `granules`, `collections` and `providers`; give the number of files.

    A file that is there already (same archive location and key) is updated. All of it is loaded or nothing.
    Raises `BadCatalog` with the first offending row.
    """
    return await asyncio.to_thread(_load, database.url, file)


def _load(url: str, file: Path) -> int:
    with (
        closing(open_duckdb(MEMORY_LIMIT)) as memory,
        connect_arrow(url) as database,
        database.cursor() as cursor,
    ):
        rows = open_rows(memory, file)
        with in_our_words(file):
            values = rows.project(", ".join(f"{typed(name, kind)} AS {name}" for name, kind in COLUMNS.items()))
            cursor.adbc_ingest("catalog_file", values.to_arrow_reader(BATCH_ROWS), mode="create", temporary=True)
        database.commit()  # so far there is the temporary table alone
        cursor.execute(SQL["incomplete"].text)
        if cursor.fetchone() == (True,):
            raise _explain(memory, rows, file) or BadCatalog(f"{file.name} has a row that lacks a value.")
        _check(cursor, file)
        for step in ("settings", "analyze", "providers", "collections", "granules"):
            cursor.execute(SQL[step].text)
        try:
            cursor.execute(SQL["files"].text)
        except adbc.IntegrityError as error:
            database.rollback()
            raise _in_two_locations(cursor, file) or error from error
        loaded = int(cursor.rowcount)
        cursor.execute(SQL["statistics"].text)
        database.commit()
        return loaded


def _explain(memory: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation, file: Path) -> BadCatalog | None:
    """Find the first row with a value that is missing or of the wrong kind."""
    memory.execute("SET threads = 1; SET preserve_insertion_order = true")  # rows are to be counted as they stand
    rows.create_view("catalog_rows")
    for name, kind in COLUMNS.items():
        found = memory.execute(
            f"SELECT number, value FROM (SELECT row_number() OVER () AS number, {name} AS value FROM catalog_rows) "  # noqa: S608  (names of our own)
            f"WHERE {typed('value', kind)} IS NULL ORDER BY number LIMIT 1"
        ).fetchone()
        if found:
            value = "missing" if found[1] is None else f"{found[1]!r}, which is not a {kind}"
            return BadCatalog(f"{file.name}, row {found[0]}: {name} is {value}. Nothing was loaded.")
    return None


def _in_two_locations(cursor: adbc.Cursor, file: Path) -> BadCatalog | None:
    """Find a key of a Cumulus bucket that would be in two archive locations."""
    cursor.execute(SQL["two_locations"].text)
    if (row := cursor.fetchone()) is None:
        return None
    return BadCatalog(
        f"{file.name}: {row[1]!r} of {row[0]} would be in {row[2]} and in {row[3]}, where a catalog has it once. "
        "Nothing was loaded."
    )


def _check(cursor: adbc.Cursor, file: Path) -> None:
    """Refuse what PostgreSQL would refuse less kindly. Raises `BadCatalog`."""
    cursor.execute(SQL["unknown_storage_class"].text)
    if (row := cursor.fetchone()) is not None:
        raise BadCatalog(f"{file.name}: storage class {row[0]!r} is not in orca.storage_class. Nothing was loaded.")
    cursor.execute(SQL["key_twice"].text)
    if (row := cursor.fetchone()) is not None:
        raise BadCatalog(f"{file.name}: {row[1]!r} of {row[0]} is listed twice. Nothing was loaded.")
