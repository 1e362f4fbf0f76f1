"""A key that is listed as latest twice makes no verdict: not where both agree, nor where one says that it was deleted."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from app.db.engine import Database
from app.settings import Settings
from tests.support.archive import catalog_file, insert_catalog, published
from tests.support.little_memory import IN_LITTLE_MEMORY, chosen
from tests.support.manifests import ETAG, row, run, write

EQUAL = row("k")
OTHERWISE = row("k", Size="7")
DELETED = row("k", IsDeleteMarker="true", Size="", ETag="", StorageClass="")
TWICE = [
    *permutations([EQUAL, OTHERWISE]),
    *permutations([EQUAL, DELETED]),
    *permutations([OTHERWISE, DELETED]),
    (EQUAL, EQUAL),
    (DELETED, DELETED),
]


@pytest.mark.parametrize("engine", ["duckdb", IN_LITTLE_MEMORY, "postgres"])
@pytest.mark.parametrize("known", [True, False], ids=["in the catalog", "not in the catalog"])
async def test_it_is_named_and_nothing_is_published(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, *, known: bool
) -> None:
    await insert_catalog(database, [catalog_file("other"), *([catalog_file("k", etag=f'"{ETAG}"')] if known else [])])
    for number, (first, second) in enumerate(TWICE):
        url = write(tmp_path, [row("other"), first], [second], created=1715043600000 + number)
        job = await run(database, settings, url, engine=chosen(engine, monkeypatch))
        assert job.status == "error", (first, second)
        assert job.error_message == (
            "part-1.csv.gz, row 1: key 'k' is listed as latest a second time (part-0.csv.gz, row 2 was the first)."
        )
        assert not (await published(database, job.id)).orphans


@pytest.mark.parametrize("engine", ["duckdb", IN_LITTLE_MEMORY, "postgres"])
async def test_what_was_deleted_is_counted_with_no_side(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    gone = [row(f"gone {number}", IsDeleteMarker="true", Size="", ETag="", StorageClass="") for number in range(3)]
    older = row("gone 1", IsLatest="false")
    await insert_catalog(database, [catalog_file("a"), catalog_file("gone 1")])
    job = await run(database, settings, write(tmp_path, [row("a"), *gone, older]), engine=chosen(engine, monkeypatch))
    assert (job.status, job.inventory_objects, job.catalog_files) == ("success", 1, 2)
    found = await published(database, job.id)
    assert (found.phantoms, found.orphans, found.mismatches) == ({"gone 1"}, set(), {})
