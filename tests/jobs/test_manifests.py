"""Jobs that come from a manifest: taken in once, staged whole or not at all, run again, cancelled, deleted."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.errors import EngineUnavailable, InventorySuperseded, JobEnded, JobRunning, NoSuchJob
from app.jobs.claim import claimed
from app.jobs.model import EngineChoice
from app.jobs.requests import cancel, delete, request_reconcile, submit
from app.jobs.runner import Runner
from app.settings import Settings
from tests.support.archive import catalog_file, insert_catalog, published
from tests.support.little_memory import IN_LITTLE_MEMORY, chosen
from tests.support.manifests import ETAG, look, row, run, write


async def count(database: Database, statement: str) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(text(statement))).scalar_one())


STAGED = "SELECT count(*) FROM orca.reconcile_s3_object"
LOADS = "SELECT count(*) FROM pg_class WHERE relname LIKE 'reconcile_load%'"


async def test_the_same_manifest_is_one_job(database: Database, settings: Settings, tmp_path: Path) -> None:
    url = write(tmp_path, [row("a")])
    first, queued = await submit(database, settings, manifest_url=url)
    again, queued_again = await submit(database, settings, manifest_url=url)
    assert (queued, queued_again, again.id) == (True, False, first.id)
    assert (first.status, first.engine) == ("getting S3 list", "duckdb")


async def test_a_copy_of_a_manifest_that_lies_elsewhere_is_another_job(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    url = write(tmp_path, [row("a")])
    shutil.copytree(tmp_path / "1715043600000", tmp_path / "copy")
    first, _ = await submit(database, settings, manifest_url=url)
    other, queued = await submit(database, settings, manifest_url=url.replace("1715043600000", "copy"))
    assert queued
    assert other.id != first.id


@pytest.mark.parametrize(("beyond", "engine"), [(0, "duckdb"), (1, "spark")])
async def test_an_inventory_beyond_the_threshold_is_for_the_cluster(
    database: Database, settings: Settings, tmp_path: Path, beyond: int, engine: str
) -> None:
    url = write(tmp_path, [row("a")])
    size = (tmp_path / "1715043600000" / "part-0.csv.gz").stat().st_size
    there = settings.model_copy(update={"spark_remote": "sc://nowhere", "spark_threshold_bytes": size - beyond})
    assert (await submit(database, there, manifest_url=url))[0].engine == engine


async def test_the_same_manifest_submitted_at_once_is_one_job(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    url = write(tmp_path, [row("a")])
    jobs = await asyncio.gather(*(submit(database, settings, manifest_url=url) for _ in range(20)))
    assert len({job.id for job, _ in jobs}) == 1
    assert sum(queued for _, queued in jobs) == 1


async def test_rerun_takes_the_same_manifest_in_once_more(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    url = write(tmp_path, [row("a")])
    job = await run(database, settings, url)
    assert (await published(database, job.id)).orphans == {"a"}
    await insert_catalog(database, [catalog_file("a")])
    again = await run(database, settings, url, rerun=True)
    assert (again.id, again.status) == (job.id, "success")
    assert not (await published(database, job.id)).orphans


async def test_staging_stops_at_staged_and_goes_on_when_asked(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    job = await run(database, settings, write(tmp_path, [row("a"), row("b%20c")], [row("d")]), reconcile=False)
    assert (job.status, job.engine, job.inventory_objects, job.report_totals) == ("staged", "postgres", 3, None)
    async with database.reading() as connection:
        keys = await connection.execute(text("SELECT key_path, etag FROM orca.reconcile_s3_object ORDER BY key_path"))
        assert [tuple(found) for found in keys] == [(key, f'"{ETAG}"') for key in ("a", "b c", "d")]
    asked = await request_reconcile(database, settings, job.id)
    assert (asked.status, asked.engine) == ("generating reports", "postgres")
    assert await Runner(database, settings).work_once()
    assert (await look(database, job)).status == "success"
    assert (await published(database, job.id)).orphans == {"a", "b c", "d"}


async def test_a_job_asked_for_while_it_is_staged_goes_on(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    job, _ = await submit(database, settings, manifest_url=write(tmp_path, [row("a")]), reconcile=False)
    await request_reconcile(database, settings, job.id)
    assert await Runner(database, settings).work_once()
    assert (await look(database, job)).status == "success"
    assert await count(database, "SELECT count(*) FROM orca.reconcile_run") == 1


async def test_an_inventory_that_another_job_has_replaced_is_refused(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    job = await run(database, settings, write(tmp_path, [row("a")]), engine="postgres")
    await run(database, settings, write(tmp_path, [row("b")], created=1715130000000), engine="postgres")
    with pytest.raises(InventorySuperseded):
        await request_reconcile(database, settings, job.id)
    await request_reconcile(database, settings, job.id, engine="duckdb")
    assert await Runner(database, settings).work_once()
    assert (await published(database, job.id)).orphans == {"a"}


@pytest.mark.parametrize("lost", ["WHERE key_path = 'a'", ""])
async def test_staged_rows_that_the_database_has_lost_are_no_phantoms(
    database: Database, settings: Settings, tmp_path: Path, lost: str
) -> None:
    await insert_catalog(database, [catalog_file("a"), catalog_file("b")])
    job = await run(database, settings, write(tmp_path, [row("a"), row("b")]), engine="postgres", reconcile=False)
    await request_reconcile(database, settings, job.id)
    async with database.transaction() as connection:
        await connection.execute(text(f"DELETE FROM orca.reconcile_s3_object {lost}"))
    assert await Runner(database, settings).work_once()
    assert not (await published(database, job.id)).phantoms
    assert await count(
        database, "SELECT count(*) FROM orca.reconcile_run WHERE state = 'queued' AND error_message ~ 'has lost rows'"
    )


BAD: list[tuple[list[list[list[str]]], str]] = [
    ([[row("a")], [row("b"), row("a")]], r"part-1\.csv\.gz, row 2: key 'a' is listed as latest a second time"),
    ([[row("a")], [row("a", Size="1")]], r"part-1\.csv\.gz, row 1: key 'a' is listed as latest a second time"),
    ([[row("z", Size="1")], [row("z", Size="2")]], r"part-1\.csv\.gz, row 1: key 'z' is listed as latest a second"),
    ([[row("a"), row("b", Bucket="other")]], r'part-0\.csv\.gz, row 2: it belongs to bucket "other"'),
    ([[row("a"), row("b", Size="many")]], r"part-0\.csv\.gz, row 2: .*Size.*many"),
    ([[row("a"), row("b")[:-2]]], r"part-0\.csv\.gz, row 2: "),
]


@pytest.mark.parametrize("engine", ["postgres", "duckdb", IN_LITTLE_MEMORY])
@pytest.mark.parametrize(("data_files", "message"), BAD)
async def test_a_bad_inventory_ends_in_error_and_leaves_everything_as_it_was(
    database: Database,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    data_files: list[list[list[str]]],
    message: str,
) -> None:
    await run(database, settings, write(tmp_path, [row("before")]), engine="postgres")
    await insert_catalog(database, [catalog_file("a")])
    manifest = write(tmp_path, *data_files, created=1715130000000)
    job = await run(database, settings, manifest, engine=chosen(engine, monkeypatch))
    assert job.status == "error"
    assert job.end_time is not None
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(job.error_message)
    assert await count(database, f"{STAGED} WHERE key_path = 'before'") == 1
    assert await count(database, STAGED) == 1
    assert await count(database, LOADS) == 0
    assert await count(database, f"SELECT count(*) FROM orca.reconcile_report WHERE job_id = {job.id}") == 0
    assert await count(database, f"SELECT count(*) FROM orca.reconcile_orphan_report WHERE job_id = {job.id}") == 0


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def change(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("damage", [truncate, change, Path.unlink])
async def test_a_damaged_data_file_is_named(
    database: Database, settings: Settings, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    url = write(tmp_path, [row("a")])
    damage(tmp_path / "1715043600000" / "part-0.csv.gz")
    job = await run(database, settings, url)
    assert job.status == "error"
    assert "part-0.csv.gz" in str(job.error_message)


async def test_a_manifest_that_changed_after_it_was_submitted_is_refused(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    job, _ = await submit(database, settings, manifest_url=write(tmp_path, [row("a")]))
    write(tmp_path, [row("b")])
    assert await Runner(database, settings).work_once()
    assert "has changed since it was submitted" in str((await look(database, job)).error_message)


async def test_a_queued_job_is_cancelled_at_once(database: Database, settings: Settings, tmp_path: Path) -> None:
    job, _ = await submit(database, settings, manifest_url=write(tmp_path, [row("a")]))
    cancelled = await cancel(database, job.id)
    assert (cancelled.status, cancelled.error_message) == ("error", "cancelled")
    assert not await Runner(database, settings).work_once()
    with pytest.raises(JobEnded):
        await cancel(database, job.id)


async def test_what_ended_a_job_before_is_not_said_of_it_once_it_is_asked_for_again(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    url = write(tmp_path, [row("a")])
    data_file = tmp_path / "1715043600000" / "part-0.csv.gz"
    whole = data_file.read_bytes()
    truncate(data_file)
    job = await run(database, settings, url)
    assert job.error_message is not None
    data_file.write_bytes(whole)
    again, _ = await submit(database, settings, manifest_url=url, rerun=True)
    assert again.error_message is None
    await cancel(database, job.id)
    assert (await request_reconcile(database, settings, job.id)).error_message is None
    assert await Runner(database, settings).work_once()
    done = await look(database, job)
    assert (done.status, done.error_message) == ("success", None)


async def test_what_is_asked_of_a_job_that_is_being_cancelled_is_refused(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """Accepted, it would go the way of the run that is there."""
    url = write(tmp_path, [row("a")])
    job, _ = await submit(database, settings, manifest_url=url)
    async with claimed(database):
        await cancel(database, job.id)
        with pytest.raises(JobRunning, match="being cancelled"):
            await request_reconcile(database, settings, job.id)
        with pytest.raises(JobRunning, match="being cancelled"):
            await submit(database, settings, manifest_url=url, rerun=True)


async def test_a_job_that_is_only_to_be_staged_goes_on_when_it_is_submitted_again(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    url = write(tmp_path, [row("a")])
    job, _ = await submit(database, settings, manifest_url=url, reconcile=False)
    await submit(database, settings, manifest_url=url, rerun=True)
    assert await Runner(database, settings).work_once()
    assert (await look(database, job)).status == "success"


async def test_a_deleted_job_is_gone_with_its_reports(database: Database, settings: Settings, tmp_path: Path) -> None:
    job, _ = await submit(database, settings, manifest_url=write(tmp_path, [row("a")]))
    with pytest.raises(JobRunning):
        await delete(database, job.id)
    assert await Runner(database, settings).work_once()
    await delete(database, job.id)
    assert await count(database, "SELECT count(*) FROM orca.reconcile_orphan_report") == 0
    with pytest.raises(NoSuchJob):
        await delete(database, job.id)


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
async def test_an_engine_that_cannot_do_it_is_refused(
    database: Database, settings: Settings, tmp_path: Path, engine: EngineChoice
) -> None:
    with pytest.raises(EngineUnavailable):
        await submit(
            database, settings, manifest_url=write(tmp_path, [row("a")]), engine=engine, reconcile=engine == "spark"
        )
