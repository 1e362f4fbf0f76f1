"""The columns of the inventory, and how Amazon spells their schema in each format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from app.samples.plan import FileFormat


@dataclass(frozen=True)
class Column:
    """A column under its name in CSV reports (`title`) and in the columnar ones (`name`)."""

    title: str
    name: str
    kind: Literal["string", "boolean", "bigint", "timestamp"] = "string"
    required: bool = False


COLUMNS = (
    Column("Bucket", "bucket", required=True),
    Column("Key", "key", required=True),
    Column("VersionId", "version_id"),
    Column("IsLatest", "is_latest", "boolean"),
    Column("IsDeleteMarker", "is_delete_marker", "boolean"),
    Column("Size", "size", "bigint"),
    Column("LastModifiedDate", "last_modified_date", "timestamp"),
    Column("ETag", "e_tag"),
    Column("StorageClass", "storage_class"),
    Column("IsMultipartUploaded", "is_multipart_uploaded", "boolean"),
    Column("ReplicationStatus", "replication_status"),
    Column("EncryptionStatus", "encryption_status"),
)

_PARQUET = {
    "string": ("binary", " (STRING)"),
    "boolean": ("boolean", ""),
    "bigint": ("int64", ""),
    "timestamp": ("int64", " (TIMESTAMP(MILLIS,true))"),
}


def file_schema(file_format: FileFormat) -> str:
    """Return the manifest's `fileSchema`, letter for letter as real reports have it."""
    if file_format == "csv":
        return ", ".join(column.title for column in COLUMNS)
    if file_format == "orc":
        return f"struct<{','.join(f'{column.name}:{column.kind}' for column in COLUMNS)}>"
    return f"message s3.inventory {{{''.join(map(_parquet_field, COLUMNS))}}}"


def _parquet_field(column: Column) -> str:
    physical, logical = _PARQUET[column.kind]
    return f"  {'required' if column.required else 'optional'} {physical} {column.name}{logical};"


def arrow_schema(file_format: FileFormat) -> pa.Schema:
    """Return the columns' types; all is text in CSV, and ORC's timestamp has no zone."""
    types = {
        "string": pa.string(),
        "boolean": pa.bool_(),
        "bigint": pa.int64(),
        "timestamp": pa.timestamp("ms", tz="UTC" if file_format == "parquet" else None),
    }
    return pa.schema(
        pa.field(
            column.name,
            pa.string() if file_format == "csv" else types[column.kind],
            nullable=file_format != "csv" and not column.required,
        )
        for column in COLUMNS
    )
