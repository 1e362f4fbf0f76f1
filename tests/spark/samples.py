"""Inventories for the tests of engine spark, and what has to come of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from app.catalog.load import load_catalog
from app.db.engine import Database
from app.inventory.columns import FileFormat
from app.samples.expected import Expected
from app.samples.generate import generate
from tests.inventory.building import EXTENSIONS, manifest_bytes
from tests.support.archive import published


async def generated(database: Database, folder: Path, files: int) -> tuple[Path, Expected]:
    """Load a generated catalog, and give its inventory's manifest."""
    expected = await asyncio.to_thread(generate, files, folder / "sample", 1, "parquet", data_files=8)
    await load_catalog(database, folder / "sample" / "catalog.csv")
    return folder / "sample" / "inventory" / "manifest.json", expected


async def is_right(database: Database, job_id: int, expected: Expected) -> None:
    """See that the job has published what was generated."""
    findings = await published(database, job_id)
    assert findings.phantoms == set(expected.phantoms)
    assert findings.orphans == set(expected.orphans)
    assert findings.mismatches == dict(expected.mismatches)


def listed_in(folder: Path, file_format: FileFormat, contents: Sequence[bytes], verified: Sequence[bytes] = ()) -> Path:
    """Write the files and a manifest, which may have been made for others."""
    names = [f"data/{number} [of] {{%41}}.{EXTENSIONS[file_format]}" for number in range(len(contents))]
    (folder / "data").mkdir()
    for name, content in zip(names, contents, strict=True):
        (folder / name).write_bytes(content)
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest_bytes(file_format, dict(zip(names, verified or contents, strict=True))))
    return manifest
