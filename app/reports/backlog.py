"""Jobs that ORCA itself reported: summed up soon after they came, so that lists and trends know them like ours."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import structlog

from app.db.alone import alone
from app.db.engine import Database
from app.db.retry import may_pass
from app.db.unready import unready
from app.errors import NoSuchJob, ReportNotReady
from app.reports.summary import SQL, sum_up

INTERVAL_S = 10.0

log = structlog.get_logger()


async def sum_up_all(database: Database, grace: timedelta) -> None:
    """Sum up all such jobs, the newest inventory first; none while another replica is at it."""
    async with database.reading() as connection:
        jobs = (await connection.execute(SQL["not_summed_up"])).scalars().all()
        if not jobs:
            return
        async with alone(connection, "summing up") as ours:
            for job_id in jobs if ours else ():
                with suppress(NoSuchJob, ReportNotReady):  # it was deleted, or asked for anew, meanwhile
                    await sum_up(database, job_id, grace)


async def keep_summing_up(database: Database, grace: timedelta) -> None:
    """Look for such jobs every few seconds, until cancelled."""
    while True:
        try:
            await sum_up_all(database, grace)
        except Exception as error:
            if not may_pass(error) and not unready(error):
                log.exception("summing up what ORCA reported failed")
        await asyncio.sleep(INTERVAL_S)
