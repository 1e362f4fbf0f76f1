"""A catalog file, CSV or Parquet: open it, and say in a sentence what is wrong with it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import duckdb

from app.errors import BadCatalog

COLUMNS = {
    "collection_id": "VARCHAR",
    "granule_id": "VARCHAR",
    "filename": "VARCHAR",
    "key_path": "VARCHAR",
    "orca_archive_location": "VARCHAR",
    "cumulus_archive_location": "VARCHAR",
    "etag": "VARCHAR",
    "size_in_bytes": "BIGINT",
    "storage_class": "VARCHAR",
    "ingest_time": "TIMESTAMPTZ",
    "last_update": "TIMESTAMPTZ",
    "provider_id": "VARCHAR",
}
"""The columns that the file must have, in any order, and what they hold; times with an offset, or in UTC."""

_NOWHERE = "\x1f"  # separates no fields of a line, and leaves it whole
_AT_LINE = re.compile(r"CSV Error on Line: (\d+)\n(.+?)\n+(?=Possible |  file = |\Z)", re.DOTALL)
_KIND = re.compile(r"error:\s+", re.IGNORECASE)


def open_rows(memory: duckdb.DuckDBPyConnection, file: Path) -> duckdb.DuckDBPyRelation:
    """Open the file, its `COLUMNS` as they stand. Raises `BadCatalog` when it is no such file or lacks one."""
    if not file.is_file():
        raise BadCatalog(f"There is no file {file}.")
    with in_our_words(file):
        if file.suffix.lower() == ".parquet":
            rows = memory.read_parquet(str(file))
            _require(rows.columns, file)
            return rows
        return _open_csv(memory, file)


def typed(value: str, kind: str) -> str:
    """Write in SQL what a value is as one of that kind: NULL where it is none. DuckDB itself would round a fraction."""
    cast = f"try_cast({value} AS {kind})"
    return f"CASE WHEN try_cast({value} AS DOUBLE) % 1 = 0 THEN {cast} END" if kind == "BIGINT" else cast


def _open_csv(memory: duckdb.DuckDBPyConnection, file: Path) -> duckdb.DuckDBPyRelation:
    """Open a CSV file, every column as text.

    Nothing of it is guessed: where a line is wrong, DuckDB would guess at other delimiters and another header. So the
    header's line is read first, whole, for how many columns there are.
    """
    lines = memory.read_csv(
        str(file),
        auto_detect=False,
        columns={"line": "VARCHAR"},
        header=False,
        delimiter=_NOWHERE,
        quotechar="",
        escapechar="",
        comment="",
        strict_mode=False,
        parallel=False,  # in the order of the file
    )
    numbered = lines.project("row_number() OVER () - 1 AS blank, line").filter("line IS NOT NULL")
    blank, header = next(iter(numbered.limit(1).fetchall()), (0, ""))
    names = [name.strip() for name in next(csv.reader([header]), [])]
    _require(names, file)
    rows = memory.read_csv(
        str(file),
        auto_detect=False,
        columns={str(place): "VARCHAR" for place in range(len(names))},
        header=True,
        skiprows=blank,
        delimiter=",",
        quotechar='"',
        escapechar='"',
        comment="",
    )
    return rows.project(", ".join(f'"{names.index(name)}" AS {name}' for name in COLUMNS))


def _require(names: list[str], file: Path) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise BadCatalog(f"{file.name} lacks the columns {', '.join(missing)}; it needs {', '.join(COLUMNS)}.")


@contextmanager
def in_our_words(file: Path) -> Iterator[None]:
    """Say where the file is at fault, of all that DuckDB says about its line. Raises `BadCatalog`."""
    try:
        yield
    except (duckdb.Error, adbc.Error, csv.Error) as error:
        said = str(error)
        if at_line := _AT_LINE.search(said):  # wherever it stands: ADBC wraps what DuckDB says
            line, reason = at_line[1], at_line[2].splitlines()[-1]
            raise BadCatalog(f"{file.name}, line {line}: {reason.rstrip('.')}. Nothing was loaded.") from error
        reason = _KIND.split(said.partition("\n")[0])[-1].rstrip(". ")
        raise BadCatalog(f"{file.name} cannot be read: {reason}. Nothing was loaded.") from error
