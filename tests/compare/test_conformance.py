"""Every engine gives the same rows as the oracle of sets, on generated inventories in every format."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db.engine import Database
from app.jobs.model import EngineName
from app.jobs.requests import submit
from app.jobs.runner import Runner
from app.jobs.store import get_job
from app.settings import Settings
from tests.oracle import reconcile
from tests.strategies import Archive, archives
from tests.support.archive import empty, insert_catalog, published
from tests.support.reports import ReportFormat, write_report


@pytest.mark.parametrize("engine", ["postgres", "duckdb"])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    archive=archives(),
    file_format=st.sampled_from(["CSV", "ORC", "Parquet"]),
    grace_hours=st.sampled_from([0, 1]),
)
async def test_an_engine_agrees_with_the_oracle(
    database: Database, engine: EngineName, archive: Archive, file_format: ReportFormat, grace_hours: int
) -> None:
    await empty(database)
    await insert_catalog(database, archive.catalog)
    with tempfile.TemporaryDirectory() as folder:
        chosen = Settings(
            data_dir=Path(folder), manifest_prefixes=(Path(folder).as_uri() + "/",), grace_hours=grace_hours
        )
        manifest = write_report(Path(folder), archive, file_format)
        job, _ = await submit(database, chosen, manifest_url=manifest.as_uri(), engine=engine)
        assert await Runner(database, chosen).work_once()
    async with database.reading() as connection:
        job = await get_job(connection, job.id)
    assert job.error_message is None
    assert job.status == "success"
    expected = reconcile(
        archive.catalog,
        archive.listed,
        bucket=archive.bucket,
        cutoff=archive.created - chosen.grace,
        compared=archive.compared,
    )
    assert await published(database, job.id) == expected
    assert job.compared_fields == list(archive.compared)
    assert job.report_totals
    assert job.report_totals.phantom == len(expected.phantoms)
    assert job.inventory_objects == sum(row.is_latest and not row.is_delete_marker for row in archive.listed)
