"""Parquet data files, read by DuckDB itself: in parallel, and only the columns that are asked for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import reduce

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from app.db.stream import Batches
from app.errors import BadInventory
from app.inventory.formats.numbering import numbered
from app.inventory.formats.reader import BATCH_ROWS, NUMBERING, RAW, DataPath
from app.inventory.formats.shape import shaped


class ParquetReader:
    """Reads Parquet; files of one inventory may differ in the types and the order of their columns."""

    def rows(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[DataPath], columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """Give the raw rows; files of the same schema are one scan."""
        alike: dict[tuple[tuple[str, str], ...], list[DataPath]] = defaultdict(list)
        for file in files:
            _require_whole(file)
            relation = _open(connection, [file])
            shaped(relation, columns, file.name)
            alike[tuple(zip(relation.columns, map(str, relation.types), strict=True))].append(file)
        scans = (shaped(_open(connection, group), columns, group[0].name) for group in alike.values())
        return reduce(duckdb.DuckDBPyRelation.union, scans)

    def numbered_rows(
        self, connection: duckdb.DuckDBPyConnection, file: DataPath, columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """Give the raw rows with their numbers, read row group by row group."""
        try:
            with pq.ParquetFile(file.path) as opened:
                schema = _wanted(opened.schema_arrow, columns)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _damaged(file) from error
        stream = numbered(schema, lambda: _batches(file, schema), "from here on the file is damaged")
        return shaped(connection.from_arrow(stream), columns, file.name, keep=tuple(field.name for field in NUMBERING))

    exact_rows = numbered_rows


def _open(connection: duckdb.DuckDBPyConnection, files: Sequence[DataPath]) -> duckdb.DuckDBPyRelation:
    """Open files of one schema; a folder named like `key=value` must not become a column."""
    try:
        return connection.read_parquet([_literally(file) for file in files], hive_partitioning=False)
    except (duckdb.Error, RuntimeError) as error:
        raise _damaged(files[0]) from error


def _require_whole(file: DataPath) -> None:
    """See that the footer lists as many rows as it promises: DuckDB reads those of the row groups that are listed."""
    try:
        footer = pq.read_metadata(file.path)
        listed = sum(footer.row_group(number).num_rows for number in range(footer.num_row_groups))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(file) from error
    if listed != footer.num_rows:
        raise BadInventory(
            f"{file.name} cannot be read as Parquet: "
            f"it has {listed:,} rows, and its footer promises {footer.num_rows:,}."
        )


def _damaged(file: DataPath) -> BadInventory:
    return BadInventory(f"{file.name} cannot be read as Parquet: its beginning or its footer is damaged.")


def _literally(file: DataPath) -> str:
    """Write a path so that DuckDB takes none of its characters for a pattern: `a[1]` would match the file `a1`."""
    return re.sub(r"([*?\[])", r"[\1]", str(file.path))


def _wanted(schema: pa.Schema, columns: Mapping[str, str]) -> pa.Schema:
    wanted = {written.lower() for canonical, written in columns.items() if canonical in RAW}
    return pa.schema([field for field in schema if field.name.lower() in wanted])


def _batches(file: DataPath, schema: pa.Schema) -> Batches:
    with pq.ParquetFile(file.path) as opened:
        yield from opened.iter_batches(BATCH_ROWS, columns=schema.names)
