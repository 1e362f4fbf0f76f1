"""`manifest.json` and its checksum, shaped as Amazon S3 delivers them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from app.samples.archive import CREATED
from app.samples.columns import file_schema
from app.samples.inventory import DataFile
from app.samples.plan import FileFormat, Plan

# The folder that holds the samples stands for the destination bucket, so these are keys of it.
DATA_PREFIX = "inventory/data/"
DESTINATION = "arn:aws:s3:::orca-inventory-reports"

_SPELLING: dict[FileFormat, str] = {"csv": "CSV", "orc": "ORC", "parquet": "Parquet"}


def write_manifest(plan: Plan, data_files: Iterable[DataFile], folder: Path) -> None:
    """Write the manifest of these data files and, beside it, the MD5 of its bytes with a newline."""
    manifest = {
        "sourceBucket": plan.bucket,
        "destinationBucket": DESTINATION,
        "version": "2016-11-30",
        "creationTimestamp": str(int(CREATED.timestamp() * 1000)),
        "fileFormat": _SPELLING[plan.file_format],
        "fileSchema": file_schema(plan.file_format),
        "files": [{"key": DATA_PREFIX + file.name, "size": file.size, "MD5checksum": file.md5} for file in data_files],
    }
    raw = json.dumps(manifest, indent=2).encode()
    (folder / "manifest.json").write_bytes(raw)
    checksum = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    (folder / "manifest.checksum").write_text(f"{checksum}\n", encoding="ascii", newline="\n")
