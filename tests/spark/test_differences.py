"""More differences than are to be in memory at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.compare import spark as engine_module
from app.db.engine import Database
from tests.inventory.building import Row, data_file
from tests.spark.runs import run, settings_for
from tests.spark.samples import generated, listed_in
from tests.support.archive import published

pytestmark = pytest.mark.spark


async def test_a_whole_bucket_is_missing(
    on_tcp: Database, remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "SLICE_BYTES", 1 << 20)
    largest = 0
    slice_of = engine_module._slice

    def measured(*arguments: object) -> object:
        nonlocal largest
        table = slice_of(*arguments)  # type: ignore[arg-type]  # they are passed on as they came
        largest = max(largest, table.nbytes)
        return table

    monkeypatch.setattr(engine_module, "_slice", measured)
    await generated(on_tcp, tmp_path, 5_000)
    manifest = listed_in(tmp_path, "CSV", [data_file("CSV", [Row(f"orphan {number}") for number in range(10_000)])])
    job = await run(on_tcp, settings_for(tmp_path, remote), manifest)
    assert (job.status, job.error_message) == ("success", None)
    findings = await published(on_tcp, job.id)
    assert len(findings.orphans) == job.inventory_objects == 10_000
    assert len(findings.phantoms) == job.catalog_files
    assert 0 < largest < 2 << 20


def test_slices_cover_every_part_once() -> None:
    parts = [{"part": number, "size_in_bytes": size << 20} for number, size in enumerate([1, 30, 5, 100, 1, 1])]
    cut = list(engine_module.slices(parts))
    assert [(one.first, one.last, one.of) for one in cut] == [(0, 1, 1), (2, 2, 1), *[(3, 3, 4)] * 4, (4, 5, 1)]
    assert {one.number for one in cut if one.of > 1} == {0, 1, 2, 3}
