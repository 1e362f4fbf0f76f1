from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Database
from app.db.retry import sqlstate

ORCAS_NAME = "reconcile_s3_object_orca_archive"
NEW_JOB = """
    INSERT INTO orca.reconcile_job (orca_archive_location, status_id, inventory_creation_time, start_time, last_update)
    VALUES (:bucket, 1, now(), now(), now()) RETURNING id
"""
NEW_RUN = """
    INSERT INTO orca.reconcile_run (job_id, orca_archive_location, engine, reconcile, take_in, state, attempt, started_at)
    VALUES (:job, :bucket, 'postgres', true, true, 'running', 1, now()) RETURNING id
"""
END_RUN = "UPDATE orca.reconcile_run SET state = 'succeeded', ended_at = now() WHERE id = :run"
ROW = "INSERT INTO orca.{} VALUES (:job, :bucket, :key, '\"e\"', now(), 1, 'GLACIER', false)"
PARTITION = "SELECT CAST(orca.reconcile_partition_of(:bucket) AS text)"
STAGED = "SELECT job_id, key_path FROM orca.reconcile_s3_object WHERE orca_archive_location = :bucket ORDER BY key_path"


async def begin(connection: AsyncConnection, bucket: str) -> tuple[int, int, str]:
    """Begin to load as a run does; gives the job, the run and the table."""
    job = (await connection.execute(text(NEW_JOB), {"bucket": bucket})).scalar_one()
    run = (await connection.execute(text(NEW_RUN), {"job": job, "bucket": bucket})).scalar_one()
    table = (await connection.execute(text("SELECT orca.reconcile_begin_load(:run, 1)"), {"run": run})).scalar_one()
    return job, run, table


async def load(database: Database, bucket: str, keys: list[str]) -> int:
    """Stage keys the way a run does; gives the job's id."""
    async with database.transaction() as connection:
        job, run, table = await begin(connection, bucket)
        for key in keys:
            await connection.execute(text(ROW.format(table)), {"job": job, "bucket": bucket, "key": key})
        await connection.execute(text("SELECT orca.reconcile_seal_load(:run, 1)"), {"run": run})
        await connection.execute(text("SELECT orca.reconcile_attach_load(:run, 1)"), {"run": run})
        await connection.execute(text(END_RUN), {"run": run})
    return job


async def staged(database: Database, bucket: str) -> list[tuple[int, str]]:
    async with database.reading() as connection:
        return [(row.job_id, row.key_path) for row in await connection.execute(text(STAGED), {"bucket": bucket})]


async def partition(database: Database, bucket: str) -> str | None:
    async with database.reading() as connection:
        name = (await connection.execute(text(PARTITION), {"bucket": bucket})).scalar_one()
    return None if name is None else str(name)


async def test_a_plain_bucket_has_the_partition_that_orca_would_give_it(database: Database) -> None:
    job = await load(database, "orca-archive", ["a", "b"])
    assert await partition(database, "orca-archive") == f"orca.{ORCAS_NAME}"
    assert await staged(database, "orca-archive") == [(job, "a"), (job, "b")]


async def test_a_later_load_replaces_the_earlier_one_under_the_same_name(database: Database) -> None:
    await load(database, "orca-archive", ["a", "b"])
    job = await load(database, "orca-archive", ["b", "c"])
    assert await partition(database, "orca-archive") == f"orca.{ORCAS_NAME}"
    assert await staged(database, "orca-archive") == [(job, "b"), (job, "c")]


async def test_buckets_that_orca_would_give_one_name_have_a_partition_each(database: Database) -> None:
    buckets = ["a-b-c", "a.b.c", "a_b_c", "a-b.c", "A-b-c", "x" * 63, "x" * 62 + "y", "reconcile'\"; --"]
    jobs = {bucket: await load(database, bucket, [bucket]) for bucket in buckets}
    assert len({await partition(database, bucket) for bucket in buckets}) == len(buckets)
    for bucket, job in jobs.items():
        assert await staged(database, bucket) == [(job, bucket)]


async def test_a_name_that_another_table_has_taken_is_not_touched(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(text(f"CREATE TABLE orca.{ORCAS_NAME} (precious int)"))
    job = await load(database, "orca-archive", ["a"])
    assert await staged(database, "orca-archive") == [(job, "a")]
    async with database.reading() as connection:
        assert (await connection.execute(text(f"SELECT count(precious) FROM orca.{ORCAS_NAME}"))).scalar_one() == 0


async def test_a_key_listed_twice_leaves_what_was_there(database: Database) -> None:
    job = await load(database, "orca-archive", ["a"])
    with pytest.raises(DBAPIError) as error:
        await load(database, "orca-archive", ["b", "b"])
    assert sqlstate(error.value) == "23505"
    assert await staged(database, "orca-archive") == [(job, "a")]


async def test_a_row_of_another_bucket_cannot_be_loaded(database: Database) -> None:
    async with database.transaction() as connection:
        job, _, table = await begin(connection, "orca-archive")
        with pytest.raises(DBAPIError) as error:
            await connection.execute(text(ROW.format(table)), {"job": job, "bucket": "other", "key": "a"})
    assert sqlstate(error.value) == "23514"


@pytest.mark.parametrize("since", ["attempt = 2", "state = 'queued'"])
@pytest.mark.parametrize("step", ["begin", "attach"])
async def test_an_attempt_whose_run_was_lost_stages_nothing_more(database: Database, step: str, since: str) -> None:
    async with database.transaction() as connection:
        _, run, _ = await begin(connection, "orca-archive")
        await connection.execute(text(f"UPDATE orca.reconcile_run SET {since}"))
        with pytest.raises(DBAPIError) as error:
            await connection.execute(text(f"SELECT orca.reconcile_{step}_load(:run, 1)"), {"run": run})
    assert sqlstate(error.value) == "P0002"


async def test_a_run_drops_what_its_own_attempts_loaded_and_nothing_of_others(database: Database) -> None:
    tables = [f"reconcile_load_{attempt}" for attempt in ("1", "1_1", "1_12", "10", "10_1", "11_1", "1_1_1")]
    async with database.transaction() as connection:
        for table in tables:
            await connection.execute(text(f"CREATE TABLE orca.{table} ()"))
        await connection.execute(text("SELECT orca.reconcile_drop_load(1)"))
        left = await connection.execute(text("SELECT relname FROM pg_class WHERE relname ~ '^reconcile_load_'"))
        assert set(left.scalars()) == set(tables[3:])


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(bucket=st.from_regex(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]", fullmatch=True))
async def test_every_legal_bucket_has_a_partition_of_its_own(database: Database, bucket: str) -> None:
    job = await load(database, bucket, ["k"])
    assert await staged(database, bucket) == [(job, "k")]
