"""Jobs that ORCA's own programs staged, on ORCA's own database, by a login with ORCA's application rights only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from sqlalchemy import text

from app.db.engine import Database
from app.db.migrations import upgrade
from app.errors import EngineUnavailable, InventorySuperseded, NoSuchJob, NotStaged, OtherArchiveLocation
from app.jobs.model import EngineChoice, Job
from app.jobs.requests import request_reconcile
from app.jobs.runner import Runner
from app.jobs.store import get_job
from app.settings import Settings
from tests.support.archive import published
from tests.support.little_memory import IN_LITTLE_MEMORY, chosen
from tests.support.orca import orca_database
from tests.support.postgres import Server
from tests.support.traces import WAITING
from tests.support.wire import wire

ANOTHER_JOB = """
    INSERT INTO orca.reconcile_job (orca_archive_location, status_id, inventory_creation_time, start_time, last_update)
    VALUES ('orca-archive', :status, '2024-05-08 01:00Z', now(), now()) RETURNING id
"""


@pytest_asyncio.fixture(loop_scope="session")
async def orca(server: Server) -> AsyncIterator[Database]:
    async with orca_database(server) as name:
        administrator = Database.at(server.url(name))
        await upgrade(administrator)
        await administrator.dispose()
        database = Database.at(server.url(name, "orca_user"))
        yield database
        await database.dispose()


@pytest.fixture(params=["auto", "duckdb", IN_LITTLE_MEMORY])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> EngineChoice:
    return chosen(request.param, monkeypatch)


async def reconciled(database: Database, settings: Settings, job_id: int, engine: EngineChoice = "auto") -> Job:
    await request_reconcile(database, settings, job_id, engine=engine)
    assert await Runner(database, settings).work_once()
    return await look(database, job_id)


async def look(database: Database, job_id: int = 1) -> Job:
    async with database.reading() as connection:
        return await get_job(connection, job_id)


async def execute(database: Database, statement: str, **values: object) -> object:
    async with database.transaction() as connection:
        result = await connection.execute(text(statement), values)
        return result.scalar_one() if result.returns_rows else None


async def test_what_orca_staged_is_reconciled(orca: Database, settings: Settings, engine: EngineChoice) -> None:
    job = await reconciled(orca, settings, 1, engine)
    assert (job.status, job.error_message) == ("success", None)
    assert job.engine == ("postgres" if engine == "auto" else engine)
    found = await published(orca, 1)
    assert found.phantoms == {"phantom", "deleted"}
    assert found.orphans == {"orphan"}
    assert found.mismatches == {
        "etag": "etag",
        "size": "size_in_bytes",
        "class": "storage_class",
        "late": "etag, size_in_bytes, storage_class",
    }
    assert found.pending_mismatches == {"late"}
    assert (job.inventory_objects, job.catalog_files) == (6, 7)


async def test_a_rerun_replaces_the_reports(orca: Database, settings: Settings) -> None:
    await reconciled(orca, settings, 1)
    await execute(orca, "UPDATE orca.files SET etag = 'e2', key_path = 'orphan' WHERE key_path = 'phantom'")
    job = await reconciled(orca, settings, 1)
    assert job.status == "success"
    found = await published(orca, 1)
    assert (found.phantoms, found.orphans) == ({"deleted"}, set())
    assert found.mismatches["orphan"] == "etag"


async def test_etags_are_written_in_double_quotes(orca: Database, settings: Settings, engine: EngineChoice) -> None:
    await execute(orca, "UPDATE orca.files SET etag = btrim(etag, '\"')")
    await execute(orca, "UPDATE orca.reconcile_s3_object SET etag = btrim(etag, '\"')")
    await reconciled(orca, settings, 1, engine)
    for column, table in (
        ("orca_etag", "phantom"),
        ("etag", "orphan"),
        ("orca_etag", "catalog_mismatch"),
        ("s3_etag", "catalog_mismatch"),
    ):
        unquoted = f"SELECT count(*) FROM orca.reconcile_{table}_report WHERE {column} !~ '^\"e[12]\"$'"
        assert await execute(orca, unquoted) == 0


async def test_a_job_whose_rows_another_job_has_replaced_is_refused(orca: Database, settings: Settings) -> None:
    later = await execute(orca, ANOTHER_JOB, status=2)
    await execute(orca, "UPDATE orca.reconcile_s3_object SET job_id = :job", job=later)
    with pytest.raises(InventorySuperseded, match=rf"\({later}\)"):
        await request_reconcile(orca, settings, 1)


async def test_a_job_replaced_by_an_empty_inventory_is_refused(orca: Database, settings: Settings) -> None:
    await execute(orca, "DELETE FROM orca.reconcile_s3_object")
    await execute(orca, ANOTHER_JOB, status=2)
    with pytest.raises(InventorySuperseded):
        await request_reconcile(orca, settings, 1)


@pytest.mark.parametrize("status", [1, 4])
async def test_a_job_whose_rows_orcas_next_job_has_emptied_is_refused(
    orca: Database, settings: Settings, status: int
) -> None:
    """ORCA empties the partition before it loads: while it does so, and where that fails, nothing is left."""
    await execute(orca, ANOTHER_JOB, status=status)
    await execute(orca, "DELETE FROM orca.reconcile_s3_object")
    with pytest.raises(InventorySuperseded):
        await request_reconcile(orca, settings, 1, force=True)


async def test_no_rows_are_no_empty_inventory_unless_somebody_says_so(orca: Database, settings: Settings) -> None:
    """ORCA does not say how many rows there were, and whoever has replaced them may be gone."""
    await execute(orca, "DELETE FROM orca.reconcile_s3_object")
    with pytest.raises(NotStaged, match="with force"):
        await request_reconcile(orca, settings, 1)
    await request_reconcile(orca, settings, 1, force=True)
    assert await Runner(orca, settings).work_once()
    assert len((await published(orca, 1)).phantoms) == 7


async def test_rows_that_go_between_request_and_run_are_missed(
    orca: Database, settings: Settings, engine: EngineChoice
) -> None:
    await reconciled(orca, settings, 1, engine)
    await request_reconcile(orca, settings, 1, engine=engine)
    await execute(orca, "DELETE FROM orca.reconcile_s3_object")
    assert await Runner(orca, settings).work_once()
    job = await look(orca)
    assert (job.status, "has no staged rows" in str(job.error_message)) == ("error", True)
    assert (await published(orca, 1)).phantoms == {"phantom", "deleted"}, "those of the run before"


async def test_rows_that_go_while_the_run_waits_for_them_are_missed(
    orca: Database, server: Server, settings: Settings, engine: EngineChoice
) -> None:
    """A snapshot does not hold against TRUNCATE: whoever took it before sees an empty table, too."""
    administrator = Database.at(server.url(urlsplit(orca.url).path[1:]))
    await request_reconcile(orca, settings, 1, engine=engine)
    async with administrator.transaction() as connection:
        await connection.execute(text("TRUNCATE orca.reconcile_s3_object_orca_archive"))
        running = asyncio.create_task(Runner(orca, settings).work_once())
        waiting = text(WAITING)
        async with asyncio.timeout(30), administrator.reading() as watching:
            while not await watching.scalar(waiting, {"table": "orca.reconcile_s3_object_orca_archive"}):
                await asyncio.sleep(0.02)
    assert await running
    await administrator.dispose()
    assert "has no staged rows" in str((await look(orca)).error_message)
    assert not (await published(orca, 1)).phantoms


async def test_rows_replaced_between_request_and_run_are_never_taken(
    orca: Database, settings: Settings, engine: EngineChoice
) -> None:
    await request_reconcile(orca, settings, 1, engine=engine)
    later = await execute(orca, ANOTHER_JOB, status=2)
    await execute(orca, "UPDATE orca.reconcile_s3_object SET job_id = :job", job=later)
    assert await Runner(orca, settings).work_once()
    job = await look(orca)
    assert job.status == "error"
    assert "Another job has since staged orca-archive" in str(job.error_message)
    assert not (await published(orca, 1)).phantoms


async def test_left_over_rows_of_another_job_are_not_compared(
    orca: Database, settings: Settings, engine: EngineChoice
) -> None:
    later = await execute(orca, ANOTHER_JOB, status=2)
    await execute(orca, "UPDATE orca.reconcile_s3_object SET job_id = :job WHERE key_path = 'orphan'", job=later)
    await execute(orca, "UPDATE orca.reconcile_job SET status_id = 3 WHERE id = 1")
    job = await reconciled(orca, settings, 1, engine)
    assert job.status == "success"
    assert not (await published(orca, 1)).orphans


async def test_staged_rows_that_stop_coming_are_read_again(orca: Database, settings: Settings) -> None:
    await request_reconcile(orca, settings, 1, engine="duckdb")
    async with wire(orca.url) as (proxy, url):
        proxy.cut_copy("TO STDOUT", after_bytes=100, of="reconcile_s3_object")
        wired = Database.at(url)
        runner = Runner(wired, settings)
        assert await runner.work_once()
        assert proxy.cuts == 1
        said = "SELECT error_message FROM orca.reconcile_run WHERE state = 'queued' AND failures = 1"
        assert await execute(orca, said) == "The database did not stay reachable."
        await execute(orca, "UPDATE orca.reconcile_run SET not_before = now() WHERE state = 'queued'")
        assert await runner.work_once()
        await wired.dispose()
    assert (await published(orca, 1)).orphans == {"orphan"}


@pytest.mark.parametrize("engine", ["duckdb", IN_LITTLE_MEMORY])
async def test_a_key_that_is_staged_twice_is_named(
    orca: Database, server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    partition = "orca.reconcile_s3_object_orca_archive"
    await server.execute(
        f"ALTER TABLE {partition} DROP CONSTRAINT pk_reconcile_s3_object_orca_archive",
        f"INSERT INTO {partition} SELECT * FROM {partition} WHERE key_path = 'same'",
        database=urlsplit(orca.url).path[1:],
    )
    job = await reconciled(orca, settings, 1, chosen(engine, monkeypatch))
    assert (job.status, job.error_message) == ("error", "Key 'same' is staged a second time.")


async def test_rows_without_a_partition_of_their_own_are_not_taken_for_none(
    orca: Database, server: Server, settings: Settings
) -> None:
    partition = "orca.reconcile_s3_object_orca_archive"
    await server.execute(
        f"ALTER TABLE orca.reconcile_s3_object DETACH PARTITION {partition}",
        f"ALTER TABLE orca.reconcile_s3_object ATTACH PARTITION {partition} FOR VALUES IN ('orca-archive', 'another')",
        database=urlsplit(orca.url).path[1:],
    )
    refused = await reconciled(orca, settings, 1, "duckdb")
    assert refused.status == "error"
    assert refused.error_message is not None
    assert refused.error_message.endswith("use engine postgres.")
    assert (await reconciled(orca, settings, 1)).status == "success"


async def test_a_job_still_staging_runs_when_it_is_staged(orca: Database, settings: Settings) -> None:
    await execute(orca, "UPDATE orca.reconcile_job SET status_id = 1")
    job = await request_reconcile(orca, settings, 1)
    assert job.status == "getting S3 list"
    runner = Runner(orca, settings)
    assert not await runner.work_once()
    await execute(orca, "UPDATE orca.reconcile_job SET status_id = 2")
    assert await runner.work_once()
    assert (await look(orca)).status == "success"


async def test_what_waits_for_a_job_to_be_staged_fails_with_the_staging(orca: Database, settings: Settings) -> None:
    await execute(orca, "UPDATE orca.reconcile_job SET status_id = 1")
    await request_reconcile(orca, settings, 1)
    await execute(orca, "DELETE FROM orca.reconcile_s3_object")
    await execute(orca, "UPDATE orca.reconcile_job SET status_id = 4, error_message = 'fatal: cannot load csv'")
    assert await Runner(orca, settings).work_once()
    job = await look(orca)
    assert (job.status, job.error_message) == (
        "error",
        "It was to be reconciled once it was staged, and staging it failed: fatal: cannot load csv",
    )
    assert not (await published(orca, 1)).phantoms


async def test_a_job_that_failed_to_stage_is_refused(orca: Database, settings: Settings) -> None:
    await execute(orca, "DELETE FROM orca.reconcile_s3_object")
    failed = await execute(orca, ANOTHER_JOB, status=4)
    assert isinstance(failed, int)
    with pytest.raises(NotStaged):
        await request_reconcile(orca, settings, failed)


async def test_a_job_without_a_partition_has_nothing_staged(orca: Database, settings: Settings) -> None:
    """Rows of other archive locations are no sign that another job has replaced its own."""
    job = await execute(orca, ANOTHER_JOB.replace("'orca-archive'", "'elsewhere'"), status=2)
    assert isinstance(job, int)
    with pytest.raises(NotStaged):
        await request_reconcile(orca, settings, job)


async def test_what_cannot_be_done_is_refused(orca: Database, settings: Settings) -> None:
    with pytest.raises(NoSuchJob):
        await request_reconcile(orca, settings, 99)
    with pytest.raises(OtherArchiveLocation, match="orca-archive, not of elsewhere"):
        await request_reconcile(orca, settings, 1, archive_location="elsewhere")
    with pytest.raises(EngineUnavailable, match="no manifest"):
        await request_reconcile(orca, settings, 1, engine="spark")


async def test_a_hundred_requests_at_once_start_one_run(orca: Database, settings: Settings) -> None:
    await asyncio.gather(*(request_reconcile(orca, settings, 1) for _ in range(100)))
    assert await execute(orca, "SELECT count(*) FROM orca.reconcile_run") == 1
