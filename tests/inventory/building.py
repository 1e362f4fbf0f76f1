"""Inventories for the tests: written in any format from the same rows, and what has to come out of them."""

from __future__ import annotations

import atexit
import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.orc as po
import pyarrow.parquet as pq
from duckdb import StarExpression

from app.db.duck import open_duckdb
from app.inventory.columns import FileFormat
from app.inventory.manifest import Manifest, parse_manifest
from app.inventory.relation import InventoryFiles

BUCKET = "orca-archive"
DESTINATION = "orca-inventory-reports"
CREATED = datetime(2026, 3, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FORMATS: tuple[FileFormat, ...] = ("CSV", "ORC", "Parquet")
EXTENSIONS = {"CSV": "csv.gz", "ORC": "orc", "Parquet": "parquet"}


@dataclass(frozen=True)
class Row:
    """One version of one object, as S3 knows it."""

    key: str
    is_latest: bool | None = True
    is_delete_marker: bool | None = False
    size: int | None = 5
    last_modified_date: datetime | None = datetime(2026, 2, 1, 12, 30, 15, 123000, tzinfo=UTC)
    e_tag: str | None = "d8e8fca2dc0f896fd7cb4cb0031ba249"
    storage_class: str | None = "GLACIER"
    version_id: str | None = "null"
    bucket: str | None = BUCKET


NAMES = {
    "Bucket": "bucket",
    "Key": "key",
    "VersionId": "version_id",
    "IsLatest": "is_latest",
    "IsDeleteMarker": "is_delete_marker",
    "Size": "size",
    "LastModifiedDate": "last_modified_date",
    "ETag": "e_tag",
    "StorageClass": "storage_class",
}
ALL = tuple(NAMES)

TYPES: dict[str, pa.DataType] = {
    "is_latest": pa.bool_(),
    "is_delete_marker": pa.bool_(),
    "size": pa.int64(),
    "last_modified_date": pa.timestamp("ms", tz="UTC"),
}

Answer = tuple[str, str, int, datetime, str]


def expected(rows: Sequence[Row], columns: Sequence[str] = ALL) -> list[Answer]:
    """Say what the relation has to hold: the oracle of the formats."""
    return sorted(
        (
            row.key,
            row.e_tag or "" if "ETag" in columns else "",
            row.size or 0 if "Size" in columns else 0,
            row.last_modified_date or EPOCH if "LastModifiedDate" in columns else EPOCH,
            row.storage_class or "" if "StorageClass" in columns else "",
        )
        for row in rows
        if (row.is_latest or "IsLatest" not in columns) and not (row.is_delete_marker and "IsDeleteMarker" in columns)
    )


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    connection = open_duckdb(256 << 20, threads=2)
    atexit.register(connection.close)
    return connection


def duckdb_of_the_tests() -> duckdb.DuckDBPyConnection:
    """Give a connection of the test's own to the one database of all tests, which takes a while to open."""
    return _duckdb().cursor()


def answers(inventory: InventoryFiles) -> list[Answer]:
    """Read the relation, sorted by key."""
    with duckdb_of_the_tests() as connection:
        latest = inventory.latest(connection)
        table = latest.filter("NOT delete_marker").select(StarExpression(exclude=["delete_marker"])).to_arrow_table()
    assert table.column_names == ["key_path", "etag", "size_in_bytes", "last_update", "storage_class"]
    instants = table["last_update"].cast(pa.timestamp("us", tz="UTC")).to_pylist()
    kept = [table[name].to_pylist() for name in ("key_path", "etag", "size_in_bytes")]
    return sorted(
        zip(*kept, [each.astimezone(UTC) for each in instants], table["storage_class"].to_pylist(), strict=True)
    )


def csv_text(row: Row, columns: Sequence[str] = ALL) -> list[str]:
    """Write a row's fields as S3 does in CSV."""
    return [_csv_field(column, getattr(row, NAMES[column])) for column in columns]


def _csv_field(column: str, value: str | bool | int | datetime | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return quote(str(value), safe="/-_.*") if column == "Key" else str(value)


def csv_gz(lines: Sequence[Sequence[str]]) -> bytes:
    """Quote every field, and compress."""
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(lines)
    return gzip.compress(text.getvalue().encode("utf-8", "surrogateescape"), mtime=0)


def arrow(rows: Sequence[Row], columns: Sequence[str] = ALL, types: Mapping[str, pa.DataType] = TYPES) -> pa.Table:
    """Put rows into a table with the names of the columnar formats."""
    names = [NAMES[column] for column in columns]
    return pa.table(
        {name: _array([getattr(row, name) for row in rows], types.get(name, pa.string())) for name in names}
    )


def _array(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.timestamp(kind.unit, tz="UTC")).cast(kind)
    return pa.array(values, kind)


def parquet_bytes(table: pa.Table, **options: object) -> bytes:
    """Write a table as Parquet."""
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def orc_bytes(table: pa.Table, **options: object) -> bytes:
    """Write a table as ORC, whose timestamps are in nanoseconds."""
    out = io.BytesIO()
    po.write_table(table, out, **options)
    return out.getvalue()


def data_file(file_format: FileFormat, rows: Sequence[Row], columns: Sequence[str] = ALL) -> bytes:
    """Write a data file of one of the formats."""
    if file_format == "CSV":
        return csv_gz([csv_text(row, columns) for row in rows])
    table = arrow(rows, columns)
    return parquet_bytes(table) if file_format == "Parquet" else orc_bytes(table)


def file_schema(file_format: FileFormat, columns: Sequence[str] = ALL) -> str:
    """Write the schema as the manifest has it."""
    names = [NAMES.get(column, column) for column in columns]
    if file_format == "CSV":
        return ", ".join(columns)
    if file_format == "ORC":
        return f"struct<{','.join(f'{name}:string' for name in names)}>"
    return f"message s3.inventory {{ {' '.join(f'optional binary {name} (STRING);' for name in names)} }}"


def manifest_bytes(
    file_format: FileFormat,
    contents: Mapping[str, bytes],
    columns: Sequence[str] = ALL,
    changes: Mapping[str, object] = MappingProxyType({}),
) -> bytes:
    """Write a manifest that lists files by their keys; `changes` replace fields of it."""
    listed = [
        {"key": key, "size": len(content), "MD5checksum": hashlib.md5(content, usedforsecurity=False).hexdigest()}
        for key, content in contents.items()
    ]
    manifest = {
        "sourceBucket": BUCKET,
        "destinationBucket": f"arn:aws:s3:::{DESTINATION}",
        "version": "2016-11-30",
        "creationTimestamp": str(int(CREATED.timestamp() * 1000)),
        "fileFormat": file_format,
        "fileSchema": file_schema(file_format, columns),
        "files": listed,
    }
    return json.dumps({**manifest, **changes}).encode()


def manifest_of(file_format: FileFormat, files: Mapping[str, bytes], columns: Sequence[str] = ALL) -> Manifest:
    """Give the manifest that lists these files."""
    return parse_manifest(manifest_bytes(file_format, files, columns), "manifest.json")


def written(
    folder: Path, file_format: FileFormat, contents: Sequence[bytes], columns: Sequence[str] = ALL
) -> InventoryFiles:
    """Write data files, and give them as the inventory that they are."""
    files = {f"data/{number}.{EXTENSIONS[file_format]}": content for number, content in enumerate(contents)}
    (folder / "data").mkdir(exist_ok=True)
    for key, content in files.items():
        (folder / key).write_bytes(content)
    return InventoryFiles(manifest_of(file_format, files, columns), tuple(folder / key for key in files))


def inventory(
    folder: Path, file_format: FileFormat, parts: Sequence[Sequence[Row]], columns: Sequence[str] = ALL
) -> InventoryFiles:
    """Write rows, a data file for each part, and give them as the inventory that they are."""
    return written(folder, file_format, [data_file(file_format, rows, columns) for rows in parts], columns)
