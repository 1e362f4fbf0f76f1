"""Writes inventories and catalogs to disk, as S3 delivers the ones and `catalog load` takes the others."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pyarrow as pa
from pyarrow import orc, parquet

from tests.oracle import CatalogFile, ListedObject
from tests.strategies import Archive

ReportFormat = Literal["CSV", "ORC", "Parquet"]
Value = str | bool | int | datetime | None

SUFFIXES: dict[ReportFormat, str] = {"CSV": ".csv.gz", "ORC": ".orc", "Parquet": ".parquet"}

CATALOG_HEADER = (
    *("collection_id", "granule_id", "filename", "key_path", "orca_archive_location", "cumulus_archive_location"),
    *("etag", "size_in_bytes", "storage_class", "ingest_time", "last_update", "provider_id"),
)


TEXT = pa.string()


@dataclass(frozen=True)
class Spelling:
    """A column's name in ORC and Parquet, and its types in ORC's schema, in Parquet's and in Arrow."""

    name: str
    orc: str = "string"
    parquet: str = "binary {} (STRING)"
    arrow: pa.DataType = TEXT


FLAG = ("boolean", "boolean {}", pa.bool_())
SPELLINGS = {
    "Bucket": Spelling("bucket"),
    "Key": Spelling("key"),
    "VersionId": Spelling("version_id"),
    "IsLatest": Spelling("is_latest", *FLAG),
    "IsDeleteMarker": Spelling("is_delete_marker", *FLAG),
    "Size": Spelling("size", "bigint", "int64 {}", pa.int64()),
    "LastModifiedDate": Spelling(
        "last_modified_date", "timestamp", "int64 {} (TIMESTAMP(MILLIS,true))", pa.timestamp("ms", tz="UTC")
    ),
    "ETag": Spelling("e_tag"),
    "StorageClass": Spelling("storage_class"),
    "IsMultipartUploaded": Spelling("is_multipart_uploaded", *FLAG),
    "ReplicationStatus": Spelling("replication_status"),
    "EncryptionStatus": Spelling("encryption_status"),
    "ChecksumAlgorithm": Spelling("checksum_algorithm"),
    "ObjectOwner": Spelling("object_owner"),
}


def write_report(
    root: Path, archive: Archive, file_format: ReportFormat, *, data_files: int = 2, space: str = "%20"
) -> Path:
    """Write the inventory under the folder that stands for the destination bucket, and return its manifest's path.

    The rows go to the data files in turn. `space` is how a CSV report encodes a space: `%20`, or `+` in older ones.
    """
    folder = root / "reports" / archive.bucket / "daily"
    (folder / "data").mkdir(parents=True)
    listings = []
    for number in range(data_files):
        path = folder / "data" / f"{_md5(str(number).encode())}{SUFFIXES[file_format]}"
        rows = [_row(row, archive) for row in archive.listed[number::data_files]]
        if file_format == "CSV":
            _write_csv(path, rows, space)
        else:
            _write_table(path, _table(rows, archive.columns, file_format))
        listings.append((path.relative_to(root).as_posix(), path.read_bytes()))
    manifest = {
        "sourceBucket": archive.bucket,
        "destinationBucket": "arn:aws:s3:::inventory-reports",
        "version": "2016-11-30",
        "creationTimestamp": str(round(archive.created.timestamp() * 1000)),
        "fileFormat": file_format,
        "fileSchema": file_schema(archive.columns, file_format),
        "files": [{"key": key, "size": len(raw), "MD5checksum": _md5(raw)} for key, raw in listings],
    }
    dated = folder / f"{archive.created:%Y-%m-%dT%H-%MZ}"
    dated.mkdir()
    raw_manifest = json.dumps(manifest, indent=2).encode()
    (dated / "manifest.json").write_bytes(raw_manifest)
    (dated / "manifest.checksum").write_text(_md5(raw_manifest) + "\n")
    return dated / "manifest.json"


def file_schema(columns: Sequence[str], file_format: ReportFormat) -> str:
    spelled = [SPELLINGS[column] for column in columns]
    if file_format == "CSV":
        return ", ".join(columns)
    if file_format == "ORC":
        return f"struct<{','.join(f'{column.name}:{column.orc}' for column in spelled)}>"
    fields = [
        f"  {'required' if column.name in {'bucket', 'key'} else 'optional'} {column.parquet.format(column.name)};"
        for column in spelled
    ]
    return f"message s3.inventory {{{''.join(fields)}}}"


def s3_encoded(key: str, space: str = "%20") -> str:
    """Encode a key as S3 does in CSV reports: all but letters, digits and `-._*/`."""
    return quote(key, safe="/*").replace("~", "%7E").replace("%20", space)


def _md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def _row(row: ListedObject, archive: Archive) -> dict[str, Value]:
    version = _md5(f"{row.key}{row.last_modified}".encode())
    values: dict[str, Value] = {
        "Bucket": archive.bucket,
        "Key": row.key,
        "VersionId": version if version < "c" else None,
        "IsLatest": row.is_latest,
        "IsDeleteMarker": row.is_delete_marker,
        "Size": row.size,
        "LastModifiedDate": row.last_modified,
        "ETag": row.etag,
        "StorageClass": row.storage_class,
        "IsMultipartUploaded": None if row.etag is None else "-" in row.etag,
        "ReplicationStatus": None,
        "EncryptionStatus": None if row.is_delete_marker else "SSE-S3",
        "ChecksumAlgorithm": None,
        "ObjectOwner": "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a",
    }
    return {column: values[column] for column in archive.columns}


def _write_csv(path: Path, rows: Sequence[dict[str, Value]], space: str) -> None:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for row in rows:
            writer.writerow(
                s3_encoded(str(value), space) if column == "Key" else _text(value) for column, value in row.items()
            )


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
    return str(value)


def _table(rows: Sequence[dict[str, Value]], columns: Sequence[str], file_format: ReportFormat) -> pa.Table:
    arrays, fields = [], []
    for column in columns:
        spelling = SPELLINGS[column]
        values = pa.array([row[column] for row in rows], spelling.arrow)
        if file_format == "ORC" and column == "LastModifiedDate":
            # ORC's plain timestamp has no zone; what S3 writes there is UTC.
            values = values.cast(pa.timestamp("ms"))
        arrays.append(values)
        fields.append(pa.field(spelling.name, values.type, nullable=column not in {"Bucket", "Key"}))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _write_table(path: Path, table: pa.Table) -> None:
    if path.suffix == ".orc":
        orc.write_table(table, path, compression="zlib")
    else:
        parquet.write_table(table, path, compression="snappy", store_schema=False)


def write_catalog(path: Path, catalog: Sequence[CatalogFile]) -> Path:
    """Write a catalog for `catalog load`; each archive location has a Cumulus bucket of its own, so keys may recur."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(CATALOG_HEADER)
        for file in catalog:
            time = _text(file.last_update)
            name = file.key.rstrip("/").rpartition("/")[2] or file.key
            location = file.archive_location
            identity = (file.collection, file.granule, name, file.key, location, f"cumulus-{location}")
            writer.writerow((*identity, file.etag, file.size, file.storage_class, time, time, "LPDAAC_ECS"))
    return path
