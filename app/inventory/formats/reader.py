"""What a format gives: the raw columns of some data files, and in the second pass the same with row numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa

# The columns that count, under their canonical names, with their names and types in `app/inventory/sql/judged.sql`.
# A DuckDB relation of exactly these (in any order) is called raw.
RAW = {
    "Bucket": pa.field("bucket", pa.string()),
    "Key": pa.field("key", pa.string()),
    "IsLatest": pa.field("is_latest", pa.bool_()),
    "IsDeleteMarker": pa.field("is_delete_marker", pa.bool_()),
    "Size": pa.field("size", pa.int64()),
    "LastModifiedDate": pa.field("last_modified_date", pa.timestamp("us", tz="UTC")),
    "ETag": pa.field("e_tag", pa.string()),
    "StorageClass": pa.field("storage_class", pa.string()),
}

# What the second pass adds: the row's number from 1, and why the format cannot read the row (NULL: it can).
NUMBERING = (pa.field("row_number", pa.int64()), pa.field("row_fault", pa.string()))

BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class DataPath:
    """A verified data file on this machine, and the name by which messages call it: its key in the manifest."""

    path: Path
    name: str


class Reader(Protocol):
    """One format. `columns` maps the canonical names of the manifest's columns to those in the files."""

    def rows(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[DataPath], columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """Give the raw relation of some files, read as it is consumed.

        Raises `BadInventory` when a file's schema already shows that it cannot be used; a fault in a row
        fails the query instead.
        """

    def numbered_rows(
        self, connection: duckdb.DuckDBPyConnection, file: DataPath, columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """Give the raw relation of one file with `NUMBERING`; where reading fails, its last row has a `row_fault`."""

    def exact_rows(
        self, connection: duckdb.DuckDBPyConnection, file: DataPath, columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """Do as `numbered_rows`, however slowly, with a `row_fault` for the very first row that cannot be read."""
