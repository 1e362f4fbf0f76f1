"""Jobs that ORCA itself reported get into lists and trends without anybody having asked for them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import text

from app.db.alone import alone
from app.db.alongside import alongside
from app.db.engine import Database
from app.reports.backlog import keep_summing_up, sum_up_all
from app.reports.locations import read_affected, read_locations
from tests.reports.published import CREATED, Row, add_job, add_rows, publish
from tests.support.traces import HERE

DAY = timedelta(days=1)


async def orca_reported(database: Database, week: int, *collections: str) -> int:
    job = await add_job(database, created=CREATED + timedelta(weeks=week))
    await add_rows(database, job, "phantoms", [Row(f"{one}/1", collection_id=one) for one in collections])
    return job


async def trend(database: Database) -> list[tuple[int, int]]:
    async with database.reading() as connection:
        (location,) = await read_locations(connection)
    return [(point.job_id, point.phantoms) for point in location.trend]


async def test_the_trend_and_since_when_know_what_orca_reported(database: Database) -> None:
    first, second = await orca_reported(database, 0, "A"), await orca_reported(database, 1, "A", "B")
    ours = await orca_reported(database, 2, "A", "B")
    await publish(database, ours)
    third = await orca_reported(database, 3, "B")
    for status in (1, 2, 3, 4):
        await add_job(database, status=status)
    assert await trend(database) == [(ours, 2)]
    await sum_up_all(database, DAY)
    assert await trend(database) == [(first, 1), (second, 2), (ours, 2), (third, 1)]
    async with database.reading() as connection:
        (affected,) = await read_affected(connection, third, "phantom")
    assert (affected.collection_id, affected.first_job_id, affected.jobs) == ("B", second, 3)


async def test_one_replica_at_a_time_does_it(database: Database) -> None:
    job = await orca_reported(database, 0, "A")
    async with database.reading() as other, alone(other, "summing up") as theirs:
        assert theirs
        await sum_up_all(database, DAY)
        assert await trend(database) == []
    await asyncio.gather(*(sum_up_all(database, DAY) for _ in range(3)))
    assert await trend(database) == [(job, 1)]
    async with database.reading() as connection:
        locks = text(f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND {HERE}")
        assert (await connection.execute(locks)).scalar_one() == 0


async def test_it_goes_on_by_itself(database: Database) -> None:
    job = await orca_reported(database, 0, "A")
    async with asyncio.timeout(30), alongside(keep_summing_up(database, DAY)):
        while await trend(database) != [(job, 1)]:
            await asyncio.sleep(0.05)
