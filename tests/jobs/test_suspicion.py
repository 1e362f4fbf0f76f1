from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.db.engine import Database
from app.jobs.model import Job
from app.settings import Settings
from tests.reports.published import add_job, publish
from tests.support.archive import catalog_file, insert_catalog, published
from tests.support.manifests import row, run, write

DAY_MS = 86_400_000
CREATED = 1715043600000


async def reconciled(
    database: Database, settings: Settings, folder: Path, keys: list[str], *, day: int = 0, force: bool = False
) -> Job:
    url = write(folder, [row(key) for key in keys], created=CREATED + day * DAY_MS)
    return await run(database, settings, url, force=force)


def numbered(count: int) -> list[str]:
    return [f"k{number}" for number in range(count)]


async def test_an_inventory_as_usual_raises_no_suspicion(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    await insert_catalog(database, [catalog_file(key) for key in numbered(100)])
    assert (await reconciled(database, settings, tmp_path, numbered(100))).warnings == []
    # A fifth fewer is just not suspicious, and as many phantoms as a twentieth are not either.
    lenient = settings.model_copy(update={"phantom_fraction": 0.2})
    assert (await reconciled(database, lenient, tmp_path, numbered(80), day=1)).warnings == []


async def test_a_shrunken_inventory_is_suspicious(database: Database, settings: Settings, tmp_path: Path) -> None:
    await reconciled(database, settings, tmp_path, numbered(100))
    job = await reconciled(database, settings, tmp_path, numbered(79), day=1)
    assert job.warnings == ["The inventory has 79 objects, 21.0% fewer than the one before (100)."]


async def test_too_many_phantoms_are_suspicious(database: Database, settings: Settings, tmp_path: Path) -> None:
    await insert_catalog(database, [catalog_file(key) for key in numbered(100)])
    job = await reconciled(database, settings, tmp_path, numbered(94))
    assert job.warnings == ["6 of 100 files (6.0%) are phantoms."]
    assert (await reconciled(database, settings, tmp_path, numbered(95), day=1)).warnings == []


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ([], "The inventory is empty, while the catalog has 20 files."),
        (numbered(79), "The inventory has 79 objects, 21.0% fewer than the one before (100)."),
        (numbered(100)[2:], "2 of 20 files (10.0%) are phantoms."),
    ],
    ids=["empty", "shrunken", "too many phantoms"],
)
async def test_what_is_gravely_suspicious_is_refused_unless_forced(
    database: Database, settings: Settings, tmp_path: Path, listed: list[str], said: str
) -> None:
    await insert_catalog(database, [catalog_file(key) for key in numbered(20)])
    strict = settings.model_copy(update={"refuse_suspicious": True})
    assert (await reconciled(database, strict, tmp_path, numbered(100))).status == "success"
    refused = await reconciled(database, strict, tmp_path, listed, day=1)
    assert refused.status == "error"
    assert refused.error_message == f"{said} Nothing was published: submit it with force to publish all the same."
    assert not (await published(database, refused.id)).phantoms
    assert not (await published(database, refused.id)).orphans
    forced = await reconciled(database, strict, tmp_path, listed, day=2, force=True)
    assert (forced.status, forced.warnings) == ("success", [said])


async def test_an_empty_inventory_of_an_empty_catalog_is_as_it_should_be(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    assert (await reconciled(database, settings, tmp_path, [])).warnings == []


async def test_other_archive_locations_say_nothing_of_this_one(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    await insert_catalog(database, [catalog_file("a b", archive_location="elsewhere")])
    elsewhere = [row(key, Bucket="elsewhere") for key in ("c%2520d", *numbered(100))]
    for day in (0, 2):
        await run(database, settings, write(tmp_path, elsewhere, created=CREATED + day * DAY_MS, bucket="elsewhere"))
    await insert_catalog(database, [catalog_file(key) for key in ("c d", *numbered(50))])
    assert (await reconciled(database, settings, tmp_path, ["a%2520b", *numbered(50)], day=1)).warnings == []


async def test_an_older_inventory_than_the_newest_is_suspicious(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    await reconciled(database, settings, tmp_path, numbered(100), day=1)
    job = await reconciled(database, settings, tmp_path, numbered(10))
    assert job.warnings == ["A newer inventory, of 2024-05-08 01:00 UTC, has been reconciled already."]


async def test_an_inventory_is_held_against_the_newest_success_before_it(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    await reconciled(database, settings, tmp_path, numbered(79))
    await reconciled(database, settings, tmp_path, numbered(100), day=1)
    for failed in (datetime(2024, 5, 9, tzinfo=UTC), datetime(2024, 5, 12, tzinfo=UTC)):
        await publish(database, await add_job(database, status=4, created=failed))
    job = await reconciled(database, settings, tmp_path, numbered(79), day=3)
    assert job.warnings == ["The inventory has 79 objects, 21.0% fewer than the one before (100)."]


@pytest.mark.parametrize(("listed", "in_catalog"), [("a%2520b", "a b"), ("a%2Bb", "a b"), ("a%20b", "a%20b")])
async def test_keys_that_differ_only_in_their_encoding_are_pointed_out(
    database: Database, settings: Settings, tmp_path: Path, listed: str, in_catalog: str
) -> None:
    await insert_catalog(database, [catalog_file(in_catalog), *(catalog_file(key) for key in numbered(50))])
    job = await reconciled(database, settings, tmp_path, [listed, *numbered(50)])
    assert len(job.warnings) == 1
    assert "differ only in their encoding" in job.warnings[0]
    assert repr(in_catalog) in job.warnings[0]


def test_a_fraction_is_a_fraction() -> None:
    with pytest.raises(ValidationError):
        Settings(shrunk_fraction=20)
    with pytest.raises(ValidationError):
        Settings(phantom_fraction=-0.1)
