"""Reports that Amazon S3 wrote, reconciled by every engine, where they lie beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.db.engine import Database
from app.jobs.model import EngineName
from app.settings import Settings
from tests.support.archive import catalog_file, insert_catalog, published
from tests.support.manifests import run

REPORTS = Path(__file__).parents[2].parent / "shared" / "inventories"
ETAG = '"d8e8fca2dc0f896fd7cb4cb0031ba249"'
BUCKET = "filemanager-inventory-test"


@pytest.fixture
def at(request: pytest.FixtureRequest, engine: EngineName, settings: Settings) -> tuple[Database, Settings]:
    """Give a database that the engine can reach, and the settings that it needs."""
    allowed = settings.model_copy(update={"manifest_prefixes": (REPORTS.as_uri() + "/",)})
    if engine != "spark":
        return request.getfixturevalue("database"), allowed
    remote = request.getfixturevalue("remote")
    return request.getfixturevalue("on_tcp"), allowed.model_copy(update={"spark_remote": remote})


@pytest.mark.skipif(not REPORTS.is_dir(), reason="the real reports are not beside this checkout")
@pytest.mark.parametrize("engine", ["postgres", "duckdb", pytest.param("spark", marks=pytest.mark.spark)])
@pytest.mark.parametrize("folder", ["csv-all-versions", "parquet-all-versions"])
async def test_a_real_report_is_reconciled(at: tuple[Database, Settings], engine: EngineName, folder: str) -> None:
    database, settings = at
    key1, key2 = (
        catalog_file(f"inventory-test/{name}", etag=ETAG, size=5, storage_class="GLACIER", archive_location=BUCKET)
        for name in ("key1", "key2")
    )
    await insert_catalog(database, [key1, key2])
    job = await run(database, settings, (REPORTS / folder / "manifest.json").as_uri(), engine=engine)
    assert (job.status, job.error_message) == ("success", None)
    found = await published(database, job.id)
    assert found.phantoms == {"inventory-test/key2"}  # its latest version is a delete marker
    assert found.orphans == {"inventory-test/"}
    assert found.mismatches == {"inventory-test/key1": "storage_class"}  # STANDARD, where the catalog says GLACIER
