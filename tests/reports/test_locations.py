from __future__ import annotations

from datetime import timedelta

from app.db.engine import Database
from app.reports.locations import read_affected, read_locations
from tests.reports.published import CREATED, Row, add_job, add_rows, publish


async def week(database: Database, number: int, *collections: str, bucket: str = "orca-archive") -> int:
    job = await add_job(database, created=CREATED + timedelta(weeks=number), bucket=bucket)
    await add_rows(database, job, "phantoms", [Row(f"{one}/1", collection_id=one) for one in collections])
    await publish(database, job)
    return job


async def test_a_collection_is_affected_since_the_unbroken_row_of_inventories_began(database: Database) -> None:
    jobs = [
        await week(database, 0, "always", "gap"),
        await week(database, 1, "always", "resolved"),
        await week(database, 2, "always", "gap"),
        await week(database, 3, "always", "gap", "new"),
    ]
    await week(database, 4, "later")
    await week(database, 2, "elsewhere", bucket="another")
    async with database.reading() as connection:
        affected = await read_affected(connection, jobs[3], "phantom")
    since = {one.collection_id: (one.first_job_id, one.jobs, one.from_the_oldest) for one in affected}
    assert since == {"always": (jobs[0], 4, True), "gap": (jobs[2], 2, False), "new": (jobs[3], 1, False)}
    assert [one.since for one in affected if one.collection_id == "gap"] == [CREATED + timedelta(weeks=2)]
    assert {one.findings for one in affected} == {1}


async def test_archive_locations_tell_their_newest_job_and_the_trend_of_those_published(database: Database) -> None:
    await week(database, 0, bucket="quiet")
    first, second = await week(database, 0, "A"), await week(database, 1, "A", "B")
    running = await add_job(database, status=3, created=CREATED + timedelta(weeks=2))
    async with database.reading() as connection:
        busy, quiet = await read_locations(connection)
        assert await read_locations(connection, "orca-archive") == [busy]
        assert await read_locations(connection, "none") == []
    assert (busy.name, busy.newest_id, busy.status) == ("orca-archive", running, "generating reports")
    assert [(point.job_id, point.phantoms) for point in busy.trend] == [(first, 1), (second, 2)]
    assert busy.trend[0].inventory_creation_time == CREATED
    assert quiet.found is not None
    assert quiet.found.phantoms == 0
