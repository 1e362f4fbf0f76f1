"""`catalog.csv`: what ORCA's database would hold of the archive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from app.samples.archive import Archive
from app.samples.plan import Plan

SCHEMA = pa.schema(
    {
        "collection_id": pa.string(),
        "granule_id": pa.string(),
        "filename": pa.string(),
        "key_path": pa.string(),
        "orca_archive_location": pa.string(),
        "cumulus_archive_location": pa.string(),
        "etag": pa.string(),
        "size_in_bytes": pa.int64(),
        "storage_class": pa.string(),
        "ingest_time": pa.string(),
        "last_update": pa.string(),
        "provider_id": pa.string(),
    }
)


def write_catalog(archive: Archive, plan: Plan, path: Path, advance: Callable[[int], None]) -> None:
    """Write the catalog with a header, a row a file, and tell `advance` of every stretch of files written."""
    with csv.CSVWriter(path, SCHEMA, write_options=csv.WriteOptions(quoting_header="none")) as writer:
        for files, batches in archive.read("catalog", plan.files):
            for batch in batches:
                writer.write_batch(batch)
            advance(files)
