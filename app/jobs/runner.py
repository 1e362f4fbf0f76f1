"""The runner: claims runs one after the other, does them, and writes down how they ended."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from types import TracebackType
from typing import Self

import structlog

from app.db.engine import Database
from app.db.migrations import require_migrated
from app.db.retry import may_pass, retrying
from app.errors import Cancelled, GivenUp, ReconcileError, RunLost, StagedRowsLost, StorageUnavailable
from app.inventory import staging
from app.jobs.bell import Bell
from app.jobs.claim import SQL, claimed
from app.jobs.model import Run
from app.jobs.reasons import reason, unexplained
from app.jobs.spool import keep_sweeping, sweep
from app.jobs.store import Status, set_status
from app.jobs.watch import Watch
from app.jobs.work import finish, work
from app.settings import Settings

POLL_S = 5.0
RETRIES = 3
SWEEP_S = 3.0  # of the 10 s in which a runner stops

log = structlog.get_logger()


class Runner:
    """Works on `settings.workers` runs at a time for as long as the `async with` block lasts.

    At the end of the block the current work is handed back to the queue, for another runner to take up.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._bell = Bell()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._bell.listen(self._database)),
            asyncio.create_task(keep_sweeping(self._database, self._settings.spool)),
        ]
        self._tasks += [asyncio.create_task(self._keep_working()) for _ in range(self._settings.workers)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(Exception):  # the next start of this machine's runner sweeps what this cannot
            async with asyncio.timeout(SWEEP_S):
                await sweep(self._database, self._settings.spool)

    async def _keep_working(self) -> None:
        # A cancellation may be lost on the way, where what the run needs to be handed back is away.
        while not self._stopping:
            try:
                worked = await self.work_once()
            except Exception as error:
                worked = False
                log.warning("cannot look for work", reason=reason(error), exc_info=unexplained(error))
            if not worked and not self._stopping:
                await self._bell.wait(POLL_S)

    async def work_once(self) -> bool:
        """Claim a run and do it; tell whether there was one.

        Raises `DatabaseNotReady` where a newer program has migrated the database, or none.
        """
        await require_migrated(self._database)
        async with claimed(self._database, self._settings.prefixes) as run:
            if run is None:
                return False
            with structlog.contextvars.bound_contextvars(job_id=run.job_id, run_id=run.id, attempt=run.attempt):
                await self._do(run)
                await sweep(self._database, self._settings.spool)
        return True

    async def _do(self, run: Run) -> None:
        watch = Watch(self._database, run, self._bell)
        log.info("run started", engine=run.engine, archive_location=run.orca_archive_location)
        try:
            if run.failures > RETRIES:
                raise GivenUp(run.last_error or "Every runner that took this job up disappeared.")  # noqa: TRY301  (a run fails below)
            await watch.check()
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(watch.keep())
                await work(self._database, self._settings, run, watch.report)
                watching.cancel()
        except (Exception, asyncio.CancelledError) as failure:
            if self._stopping:
                # Somebody else takes the run up, and it is not the run's fault, whatever failed while it let go.
                watch.end("handed back")
                with suppress(RunLost):
                    await asyncio.shield(self._hand_back(run, delay=0, failures=0, error_message=run.last_error))
                    log.info("run handed back")
                raise asyncio.CancelledError from failure
            error = _innermost(failure)
            watch.end("cancelled" if isinstance(error, Cancelled) else "failed", reason(error))
            try:
                await self._fail(run, error)
            except RunLost:
                # Another runner has taken it over, which may be all that failed: it drops what this one loaded. Or the
                # run has succeeded, and the connection broke before PostgreSQL said so.
                log.warning("run is no longer this runner's", reason=reason(error), exc_info=unexplained(error))
        else:
            watch.end("succeeded")
            log.info("run succeeded")

    async def _fail(self, run: Run, error: BaseException) -> None:
        """Write down an error, or put the run back into the queue where trying again may help. Raises `RunLost`."""
        if isinstance(error, RunLost):
            raise error
        if isinstance(error, Cancelled):
            await self._end(run, "cancelled", "cancelled")
            log.info("run cancelled")
        elif (may_pass(error) or isinstance(error, (StorageUnavailable, StagedRowsLost))) and run.failures < RETRIES:
            delay = 2**run.failures + random.random()  # noqa: S311  (spreads retries, keeps no secret)
            await self._hand_back(run, delay=delay, failures=1, error_message=reason(error))
            log.warning("run will be tried again", reason=reason(error), seconds=round(delay, 1))
        else:
            await self._end(run, "failed", reason(error))
            log.error("run failed", reason=reason(error), exc_info=None if isinstance(error, ReconcileError) else error)

    async def _end(self, run: Run, state: str, message: str) -> None:
        """End the run and its job in error. Raises `RunLost`."""

        async def end() -> None:
            async with self._database.transaction() as connection:
                await set_status(connection, run.job_id, Status.ERROR, message)
                await finish(connection, run, state, message)
                await staging.drop(connection, run.id)

        await retrying(end)

    async def _hand_back(self, run: Run, *, delay: float, failures: int, error_message: str | None) -> None:
        """Put the run back into the queue. Raises `RunLost`: another attempt may be loading."""

        async def hand_back() -> None:
            async with self._database.transaction() as connection:
                handed_back = await connection.execute(
                    SQL["hand_back"],
                    {
                        "run_id": run.id,
                        "attempt": run.attempt,
                        "delay": delay,
                        "failures": failures,
                        "error_message": error_message,
                    },
                )
                if handed_back.one_or_none() is None:
                    raise RunLost(run.id, run.attempt)
                await staging.drop(connection, run.id)

        await retrying(hand_back)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
