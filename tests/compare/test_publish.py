"""An engine that has not counted what it has compared publishes nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.engine import Comparison, Counted, Report
from app.compare.publish import SQL, publish
from app.compare.suspicion import Thresholds
from app.db.engine import Database
from tests.support.archive import catalog_file, insert_catalog, published
from tests.support.old_jobs import JOB, do

NOW = datetime(2024, 6, 1, tzinfo=UTC)
LISTED = (
    "INSERT INTO unequal (key_path, etag, size_in_bytes, last_update, storage_class) VALUES ('b', '', 0, now(), '')"
)


class Forgetful:
    """Was given two objects that are not in the catalog, and hands one over; one file it has called equal to an object."""

    name = "duckdb"

    async def fill(self, connection: AsyncConnection, _comparison: Comparison, _report: Report) -> Counted:
        await connection.execute(SQL["prepare"])
        await connection.execute(text(LISTED))
        return Counted(inventory_objects=3, catalog_files=1)

    async def explain_duplicate(self, key: str) -> Exception:
        raise AssertionError(key)


async def test_a_row_that_an_engine_forgets_is_missed(database: Database) -> None:
    await insert_catalog(database, [catalog_file("a")])
    job = await do(database, JOB, bucket="orca-archive", status=3, days=0)
    comparison = Comparison(job, "orca-archive", NOW, ("etag",), NOW)
    never = Thresholds(shrunk=1, phantoms=1, refuse=False)

    async def finish(_: AsyncConnection) -> None: ...

    with pytest.raises(AssertionError, match="duckdb has not counted what it has compared"):
        await publish(database, comparison, Forgetful(), never, lambda *_: None, finish)
    assert await do(database, "SELECT count(*) FROM orca.reconcile_report") == 0
    assert not (await published(database, job)).orphans
