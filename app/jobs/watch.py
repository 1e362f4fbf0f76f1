"""Beside a run's work: writes down how far it has come, and notices that it was cancelled or lost."""

from __future__ import annotations

import asyncio
import time

from app.db.engine import Database
from app.db.retry import may_pass
from app.errors import Cancelled, RunLost
from app.jobs.bell import Bell
from app.jobs.claim import SQL
from app.jobs.measures import Attempt
from app.jobs.model import Run

INTERVAL_S = 0.5
SILENCE_S = 30.0


class Watch:
    """The progress of one run: `report` may be called from any thread, `keep` writes it every half second."""

    def __init__(self, database: Database, run: Run, bell: Bell) -> None:
        self._database = database
        self._run = run
        self._bell = bell
        self._progress: tuple[str, int, int | None, str] | None = None
        self._attempt = Attempt(run)

    def report(self, phase: str, done: int, total: int | None, unit: str) -> None:
        """Take note of how far the work has come."""
        self._progress = (phase, done, total, unit)
        self._attempt.enter(phase)

    def end(self, how: str, reason: str | None = None) -> None:
        """Take note that the attempt has ended, and why if it failed."""
        self._attempt.end(how, reason)

    async def keep(self) -> None:
        """Write progress down and look for a cancellation until the work is done.

        Raises `Cancelled`, or `RunLost` when another runner has the run, or when the database has not been reached for
        so long that another runner may have.
        """
        saved = None
        heard = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):  # a connection may fall silent and never break
                    await self.check()
                    if self._progress not in (None, saved):
                        saved = self._progress
                        await self._save(*saved)
                heard = time.monotonic()
            except Exception as error:
                if not may_pass(error) or time.monotonic() - heard > SILENCE_S:
                    raise
            await self._bell.wait(INTERVAL_S)

    async def check(self) -> None:
        """Raise `Cancelled` or `RunLost` where the run's row says so."""
        async with self._database.reading() as connection:
            found = await connection.execute(
                SQL["cancel_requested"], {"run_id": self._run.id, "attempt": self._run.attempt}
            )
            cancelled = found.scalar_one_or_none()
        if cancelled is None:
            raise RunLost(self._run.id, self._run.attempt)
        if cancelled:
            raise Cancelled

    async def _save(self, phase: str, done: int, total: int | None, unit: str) -> None:
        async with self._database.reading() as connection:
            await connection.execute(
                SQL["save_progress"],
                {"run_id": self._run.id, "phase": phase, "done": done, "total": total, "unit": unit},
            )
