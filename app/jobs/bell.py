"""A bell that PostgreSQL rings: runners wait for work with it, and watches for cancellations."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from app.db.connecting import connect
from app.db.engine import Database
from app.jobs.reasons import reason, unexplained

CHANNEL = "reconcile_run"
RECONNECT_S = 2.0

log = structlog.get_logger()


class Bell:
    """Rung by `NOTIFY reconcile_run`; those who wait also look by themselves when their time is up."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait until the bell rings, or that long."""
        # Not wait_for, which before Python 3.12 swallows a cancellation that comes at the moment of the ring.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()

    async def listen(self, database: Database) -> None:
        """Ring for every notification, connecting again whenever the connection is lost, until cancelled."""
        while True:
            try:
                await self._listen_once(database)
            except Exception as error:
                log.warning("not listening", reason=reason(error), exc_info=unexplained(error))
            await asyncio.sleep(RECONNECT_S)

    async def _listen_once(self, database: Database) -> None:
        connection = await connect(database.url, "orca-reconcile listener")
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, lambda *_: self.ring())
            await lost.wait()
        finally:
            connection.terminate()
