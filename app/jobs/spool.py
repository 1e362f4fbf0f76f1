"""Sweeping the spool: what no run wants any more goes, whichever process has left it there."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import structlog

from app.db.engine import Database
from app.db.queries import Queries
from app.jobs.reasons import unexplained

SQL = Queries("app.jobs", "spool.sql")
INTERVAL_S = 600.0
_OURS = re.compile(r"run-\d+|[0-9a-f]{32}")  # what a run spills, and what is fetched of a manifest with that MD5

log = structlog.get_logger()


async def sweep(database: Database, spool: Path) -> None:
    """Remove from this machine's spool what belongs to no queued or running run.

    A run that was handed back or lost may still want its files, here or in another process of this machine, so that
    nobody removes what is of a run but in this way.
    """
    lying = await asyncio.to_thread(_lying, spool)
    if not lying:
        return
    # Asked after the folder was read: a run that puts something there is known before it does.
    async with database.reading() as connection:
        rows = (await connection.execute(SQL["wanted"])).all()
    wanted = {f"run-{row.id}" for row in rows} | {row.manifest_md5 for row in rows}
    for name in lying - wanted:
        await asyncio.to_thread(shutil.rmtree, spool / name, ignore_errors=True)


async def keep_sweeping(database: Database, spool: Path) -> None:
    """Sweep at the start and every ten minutes, until cancelled: a process that was killed could not."""
    while True:
        try:
            await sweep(database, spool)
        except Exception as error:
            if unexplained(error):
                log.exception("sweeping failed")
        await asyncio.sleep(INTERVAL_S)


def _lying(spool: Path) -> set[str]:
    if not spool.is_dir():
        return set()
    return {path.name for path in spool.iterdir() if path.is_dir() and _OURS.fullmatch(path.name)}
