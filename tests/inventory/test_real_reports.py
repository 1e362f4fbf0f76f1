"""Reports that Amazon S3 has written, read where they lie beside the checkout; a fresh clone has none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.inventory.fetch import fetch
from app.inventory.relation import InventoryFiles
from app.inventory.storage import read_manifest
from tests.inventory.building import answers

REPORTS = Path(__file__).parents[3] / "shared" / "inventories"

pytestmark = pytest.mark.skipif(
    not REPORTS.is_dir(), reason="the real reports lie in ../shared/inventories, which is not here"
)


@pytest.mark.parametrize("report", ["csv-all-versions", "parquet-all-versions"])
async def test_a_real_report_says_what_is_in_the_bucket(report: str, spool: Path) -> None:
    prefixes = [f"file://{REPORTS}/"]
    located = await read_manifest(f"file://{REPORTS}/{report}/manifest.json", prefixes)
    paths = await fetch(located, prefixes, spool, lambda _done, _total: None)
    assert located.manifest.creation_time == datetime(2024, 5, 7, 1, tzinfo=UTC)
    assert located.manifest.compared_fields == ("etag", "size_in_bytes", "storage_class")
    assert answers(InventoryFiles(located.manifest, paths)) == [
        (
            "inventory-test/",
            "d41d8cd98f00b204e9800998ecf8427e",
            0,
            datetime(2024, 5, 6, 22, 37, 48, tzinfo=UTC),
            "STANDARD",
        ),
        (
            "inventory-test/key1",
            "d8e8fca2dc0f896fd7cb4cb0031ba249",
            5,
            datetime(2024, 5, 6, 22, 44, 22, tzinfo=UTC),
            "STANDARD",
        ),
    ]
