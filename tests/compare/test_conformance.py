"""Every engine gives the same rows as the oracle of sets, on generated inventories in every format."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.db.engine import Database
from app.jobs.model import EngineChoice, Totals
from app.settings import Settings
from tests.oracle import ListedObject, reconcile
from tests.strategies import EPOCH, Archive, archives
from tests.support.archive import catalog_file, empty, insert_catalog, published
from tests.support.little_memory import IN_LITTLE_MEMORY, chosen
from tests.support.manifests import run
from tests.support.reports import ReportFormat, write_report

FORMATS: tuple[ReportFormat, ...] = ("CSV", "ORC", "Parquet")
GRACE_HOURS = st.sampled_from([0, 1])


@pytest.mark.parametrize("engine", ["postgres", "duckdb", IN_LITTLE_MEMORY])
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(archive=archives(), file_format=st.sampled_from(FORMATS), grace_hours=GRACE_HOURS)
async def test_an_engine_agrees_with_the_oracle(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    archive: Archive,
    file_format: ReportFormat,
    grace_hours: int,
) -> None:
    await agrees(database, chosen(engine, monkeypatch), archive, file_format, Settings(grace_hours=grace_hours))


@pytest.mark.parametrize("engine", ["postgres", "duckdb", IN_LITTLE_MEMORY])
@pytest.mark.parametrize("file_format", FORMATS)
async def test_a_deleted_file_is_a_phantom_where_nothing_but_keys_is_compared(
    database: Database, monkeypatch: pytest.MonkeyPatch, engine: str, file_format: ReportFormat
) -> None:
    marker = ListedObject(
        key="deleted", etag=None, size=None, storage_class=None, last_modified=EPOCH, is_delete_marker=True
    )
    archive = Archive((catalog_file("deleted"),), (marker,), ("Bucket", "Key", "IsLatest", "IsDeleteMarker"))
    await agrees(database, chosen(engine, monkeypatch), archive, file_format, Settings())


@pytest.mark.spark
@pytest.mark.parametrize("file_format", FORMATS)
@settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],  # a run takes seconds, and shrinking takes hundreds of them
    suppress_health_check=list(HealthCheck),
)
@given(archive=archives(max_keys=60), grace_hours=GRACE_HOURS)
async def test_the_cluster_agrees_with_the_oracle(
    on_tcp: Database, remote: str, archive: Archive, file_format: ReportFormat, grace_hours: int
) -> None:
    await agrees(on_tcp, "spark", archive, file_format, Settings(grace_hours=grace_hours, spark_remote=remote))


async def agrees(
    database: Database, engine: EngineChoice, archive: Archive, file_format: ReportFormat, settings: Settings
) -> None:
    """Submit the archive's inventory, have a runner work on it, and hold what it publishes to the oracle."""
    await empty(database)
    await insert_catalog(database, archive.catalog)
    with tempfile.TemporaryDirectory() as folder:
        here = {"data_dir": Path(folder), "manifest_prefixes": (Path(folder).as_uri() + "/",)}
        manifest = write_report(Path(folder), archive, file_format)
        job = await run(database, settings.model_copy(update=here), manifest.as_uri(), engine=engine)
    assert job.error_message is None
    assert job.status == "success"
    expected = reconcile(
        archive.catalog,
        archive.listed,
        bucket=archive.bucket,
        cutoff=archive.created - settings.grace,
        compared=archive.compared,
    )
    assert await published(database, job.id) == expected
    assert job.compared_fields == list(archive.compared)
    assert job.report_totals == Totals(len(expected.phantoms), len(expected.orphans), len(expected.mismatches))
    assert job.pending_totals == Totals(
        len(expected.pending_phantoms), len(expected.pending_orphans), len(expected.pending_mismatches)
    )
    assert job.inventory_objects == sum(row.is_latest and not row.is_delete_marker for row in archive.listed)
