"""The data files of the inventory, in each of the formats that S3 delivers."""

from __future__ import annotations

import gzip
import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, orc, parquet

from app.samples.archive import Archive
from app.samples.columns import arrow_schema
from app.samples.plan import FileFormat, Plan

_SUFFIXES: dict[FileFormat, str] = {"csv": ".csv.gz", "orc": ".orc", "parquet": ".parquet"}

# About half the time of the default level, for files a twentieth larger.
_GZIP_LEVEL = 1

Write = Callable[[pa.RecordBatch], None]


@dataclass(frozen=True)
class DataFile:
    """A data file as the manifest lists it: its name, size in bytes and MD5 in hexadecimal."""

    name: str
    size: int
    md5: str


def write_data_file(
    archive: Archive, plan: Plan, number: int, folder: Path, advance: Callable[[int], None]
) -> DataFile:
    """Write one of the plan's data files under the name it always has, and tell `advance` of every stretch of keys."""
    name = _name(plan, number)
    view = "objects_as_text" if plan.file_format == "csv" else "objects"
    schema = arrow_schema(plan.file_format)
    positions = -(-plan.slots // plan.data_files)
    with _WRITERS[plan.file_format](folder / name, schema) as write:
        for keys, batches in archive.read(view, positions, data_file=number, data_files=plan.data_files):
            for batch in batches:
                write(_of_schema(batch, schema))
            advance(keys)
    with (folder / name).open("rb") as written:
        md5 = hashlib.file_digest(written, "md5").hexdigest()
    return DataFile(name, (folder / name).stat().st_size, md5)


def _name(plan: Plan, number: int) -> str:
    what = f"{plan.bucket}/{plan.seed}/{plan.files}/{plan.file_format}/{number}"
    return f"{uuid.uuid5(uuid.NAMESPACE_URL, what)}{_SUFFIXES[plan.file_format]}"


def _of_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give the batch the schema's types, and its word that the bucket and the key are never missing.

    `Array.cast` would do the same, but have pyarrow fill its registry of functions while other threads look into it.
    """
    return pa.RecordBatch.from_arrays(
        [pc.cast(batch.column(field.name), field.type) for field in schema], schema=schema
    )


@contextmanager
def _csv(path: Path, schema: pa.Schema) -> Iterator[Write]:
    options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
    # The time and name that gzip would put into its header must not be those of this run.
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=raw, mtime=0) as packed,
        csv.CSVWriter(packed, schema, write_options=options) as writer,
    ):
        yield writer.write_batch


@contextmanager
def _orc(path: Path, schema: pa.Schema) -> Iterator[Write]:
    with path.open("wb") as raw, orc.ORCWriter(raw, compression="zlib") as writer:
        # The writer learns the schema from what it writes first, and a file without one could not be read.
        writer.write(schema.empty_table())
        yield lambda batch: writer.write(pa.Table.from_batches([batch]))


@contextmanager
def _parquet(path: Path, schema: pa.Schema) -> Iterator[Write]:
    with parquet.ParquetWriter(path, schema, compression="snappy", store_schema=False) as writer:
        yield writer.write_batch


_WRITERS: dict[FileFormat, Callable[[Path, pa.Schema], AbstractContextManager[Write]]] = {
    "csv": _csv,
    "orc": _orc,
    "parquet": _parquet,
}
