"""The engine on a cluster gives the same rows as the oracle of sets, on generated inventories in every format."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.db.engine import Database
from tests.oracle import reconcile
from tests.spark.runs import engine_for, publish_by, settings_for
from tests.strategies import Archive, archives
from tests.support.archive import empty, insert_catalog, published
from tests.support.reports import ReportFormat, write_report


@pytest.mark.parametrize("file_format", ["CSV", "ORC", "Parquet"])
@settings(
    max_examples=2,
    phases=[Phase.explicit, Phase.generate],  # a run takes seconds, and shrinking takes hundreds of them
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(archive=archives(max_keys=60), grace_hours=st.sampled_from([0, 1]))
async def test_the_cluster_agrees_with_the_oracle(
    database: Database, remote: str, archive: Archive, file_format: ReportFormat, grace_hours: int
) -> None:
    await empty(database)
    await insert_catalog(database, archive.catalog)
    with tempfile.TemporaryDirectory() as folder:
        chosen = settings_for(Path(folder), grace_hours=grace_hours)
        manifest = write_report(Path(folder), archive, file_format)
        engine = await engine_for(database, remote, chosen, manifest)
        job_id, counted = await publish_by(engine, database, chosen, manifest)
    expected = reconcile(
        archive.catalog,
        archive.listed,
        bucket=archive.bucket,
        cutoff=archive.created - chosen.grace,
        compared=archive.compared,
    )
    assert await published(database, job_id) == expected
    assert counted.inventory_objects == sum(row.is_latest and not row.is_delete_marker for row in archive.listed)
