"""The consumer: has every manifest taken in that a queue announces, and lets no message go before that is certain."""

from __future__ import annotations

import asyncio

import structlog

from app.arrival.messages import BadMessage, manifests_in
from app.arrival.queue import Message, Queue, QueueUnavailable
from app.arrival.waiting import backoff, pause
from app.db.engine import Database
from app.db.retry import may_pass
from app.errors import (
    BadManifest,
    LocationForbidden,
    ManifestNotFound,
    Misconfigured,
    StorageUnavailable,
)
from app.jobs.model import Requester
from app.jobs.reasons import reason
from app.jobs.requests import submit
from app.settings import Settings

FIRST_HIDING_S = 5  # of a message that could not be dealt with; doubled each time it is received
# A store may show an object later than it announces it, but not for ever.
MOST_LOOKS = 5

log = structlog.get_logger()


class Consumer:
    """Deals with the messages of a queue, one after the other.

    A message is deleted when all of its jobs are committed; the same manifest twice is one job, so that a message may
    come twice. One that can never work goes to the dead-letter queue. One that may work later is left to reappear.
    """

    def __init__(self, database: Database, settings: Settings, queue: Queue) -> None:
        self._database = database
        self._settings = settings
        self._queue = queue

    async def run(self, stop: asyncio.Event) -> None:
        """Deal with messages until the stop; the one in hand is dealt with first.

        Raises `Misconfigured` when there is no such queue.
        """
        failures = 0
        while not stop.is_set():
            try:
                message = await self._queue.receive()
                if message is not None:
                    with structlog.contextvars.bound_contextvars(message_id=message.id, received=message.received):
                        await self.deal_with(message)
                failures = 0
            except Misconfigured:
                raise
            except Exception as error:
                failures += 1
                if isinstance(error, QueueUnavailable | StorageUnavailable) or may_pass(error):
                    log.warning("consuming failed", failures=failures, reason=reason(error))
                else:
                    log.exception("consuming failed", failures=failures)
                await pause(stop, backoff(failures))

    async def deal_with(self, message: Message) -> None:
        """Deal with one message. Raises what may pass, after it has seen to it that the message reappears."""
        try:
            faults = await self._submit_all(message)
            if not faults:
                await self._queue.delete(message)
            elif not await self._queue.bury(message, " ".join(faults)):
                log.error("message left: the queue has no redrive policy", reason=" ".join(faults))
                await self._leave(message)
            else:
                log.error("message moved to the dead-letter queue", reason=" ".join(faults))
        except ManifestNotFound as error:
            log.warning("message left", reason=str(error))
            await self._leave(message)
        except Exception:
            await self._leave(message)
            raise

    async def _submit_all(self, message: Message) -> list[str]:
        """Submit every manifest that the message names, and give the reasons for which some can never be."""
        try:
            urls = manifests_in(message.body)
        except BadMessage as error:
            return [str(error)]
        faults = []
        for url in urls:
            try:
                await self._submit(url, message)
            except (BadManifest, LocationForbidden) as error:
                faults.append(str(error))
            except ManifestNotFound as error:
                if message.received < MOST_LOOKS:
                    raise
                faults.append(str(error))
        if not urls:
            log.info("message announces no manifest")
        return faults

    async def _submit(self, url: str, message: Message) -> None:
        job, queued = await submit(
            self._database, self._settings, manifest_url=url, requester=Requester(name="sqs", request_id=message.id)
        )
        log.info("manifest submitted" if queued else "manifest is known", manifest_url=url, job_id=job.id)

    async def _leave(self, message: Message) -> None:
        """Let the message reappear, the later the more often it has: a redrive policy counts, and gives up on it."""
        try:
            await self._queue.hide(message, FIRST_HIDING_S * 2 ** min(message.received - 1, 8))
        except QueueUnavailable as error:
            log.warning("message left to the queue's own timeout", reason=str(error))
