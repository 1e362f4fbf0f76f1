"""What was loaded becomes the archive location's partition only if all of it is there, and holds up nobody meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.engine import Database
from app.db.retry import may_pass, sqlstate
from app.errors import StagedRowsLost
from app.inventory import staging
from app.inventory.staging import Load
from app.jobs.claim import claimed
from app.jobs.requests import submit
from app.settings import Settings
from tests.inventory.building import Row, inventory
from tests.support.manifests import row, write
from tests.support.old_jobs import do

LOCK_NOT_AVAILABLE = "55P03"


async def test_rows_that_postgresql_has_lost_are_neither_sealed_nor_attached(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    await submit(database, settings, manifest_url=write(tmp_path, [row("a")]), engine="postgres")
    listed = inventory(tmp_path, "CSV", [[Row("a"), Row("b")]])
    async with claimed(database) as run:
        assert run is not None
        load = Load(run.id, run.attempt)
        loaded = await staging.load(database, load, run.job_id, listed, lambda _: None)
        await do(database, f"DELETE FROM orca.{load.table} WHERE key_path = 'b'")
        with pytest.raises(StagedRowsLost):
            await staging.seal(database, load, loaded.rows, listed)
        async with database.transaction() as connection:
            with pytest.raises(StagedRowsLost):
                await staging.attach(connection, load)


async def test_a_partition_waits_little_for_who_reads_the_others(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    """All who come after it would wait for as long."""
    await submit(database, settings, manifest_url=write(tmp_path, [row("a")]), engine="postgres")
    listed = inventory(tmp_path, "CSV", [[Row("a")]])
    async with claimed(database) as run, database.transaction() as holder:
        assert run is not None
        load = Load(run.id, run.attempt)
        loaded = await staging.load(database, load, run.job_id, listed, lambda _: None)
        await staging.seal(database, load, loaded.rows, listed)
        await holder.execute(text("LOCK TABLE orca.reconcile_s3_object IN SHARE UPDATE EXCLUSIVE MODE"))
        async with asyncio.timeout(20), database.transaction() as connection:
            with pytest.raises(DBAPIError) as error:
                await staging.attach(connection, load)
    assert sqlstate(error.value) == LOCK_NOT_AVAILABLE
    assert may_pass(error.value)
