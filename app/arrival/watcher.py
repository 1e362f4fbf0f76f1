"""The watch: looks for new manifests where S3 delivers them, again and again, and has each taken in."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from app.arrival.bucket import BucketDestination
from app.arrival.destination import MANIFEST, Destination, Listed
from app.arrival.folder import FolderDestination
from app.arrival.known import Known
from app.arrival.waiting import backoff, pause
from app.db.engine import Database
from app.db.retry import may_pass
from app.errors import BadManifest, LocationForbidden, ManifestNotFound, StorageUnavailable
from app.inventory.locations import Prefixes, parse_location
from app.inventory.storage import read_manifest
from app.jobs.model import Requester
from app.jobs.reasons import reason
from app.jobs.requests import submit
from app.settings import Settings

# S3 writes the checksum seconds after the manifest. A copy of a report may have come without one.
CHECKSUM_PATIENCE = timedelta(minutes=5)
# A manifest that the store does not give holds the later ones back, so that none is missed when the watch is started
# anew; but not forever, since it may lie in a storage class from which nothing can be read.
STUBBORN = 4

log = structlog.get_logger()


@dataclass(slots=True)
class Round:
    """What one look at the destination has come to, in manifests."""

    submitted: int = 0
    refused: int = 0
    waiting: int = 0
    failed: int = 0


class Watcher:
    """Watches the folder at `prefix`, which has to lie in one of the prefixes that the settings allow.

    It submits what is new and leaves the work to runners. What it has seen it keeps in memory; after a new start, what
    the database knows stands for that (`Known`), or `since`. Raises `LocationForbidden`, `Misconfigured`.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        prefix: str,
        *,
        since: datetime | None = None,
        interval: float = 60,
    ) -> None:
        inside = parse_location(f"{prefix.rstrip('/')}/{MANIFEST}")
        Prefixes(settings.prefixes).require(inside)
        folder = inside.path.rpartition("/")[0]
        self._destination: Destination = (
            BucketDestination(inside.bucket, folder)
            if inside.scheme == "s3"
            else FolderDestination(Path(folder or "/"))
        )
        self._store = f"{inside.scheme}://{inside.bucket}/"
        self._prefix = prefix
        self._database = database
        self._settings = settings
        self._since = since
        self._interval = interval
        self._known: Known | None = None
        self._settled: dict[str, str] = {}
        self._failures: dict[str, int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Look every `interval` seconds until the stop, and sooner again after a failure."""
        failures = 0
        while not stop.is_set():
            try:
                await self.once(stop)
                failures = 0
            except Exception as error:
                failures += 1
                if isinstance(error, StorageUnavailable) or may_pass(error):
                    log.warning("watching failed", prefix=self._prefix, failures=failures, reason=reason(error))
                else:
                    log.exception("watching failed", prefix=self._prefix, failures=failures)
            await pause(stop, backoff(failures) if failures else self._interval)

    async def once(self, stop: asyncio.Event | None = None) -> Round:
        """Look once, and submit what is new. Raises `StorageUnavailable`, and what the database's drivers raise."""
        if self._known is None:
            self._known = await Known.load(self._database, self._store, self._since)
        found = Round()
        seen: dict[str, str] = {}
        async with aclosing(self._destination.manifests(self._known.floor)) as listing:
            async for listed in listing:
                if stop is not None and stop.is_set():
                    return found
                if self._settled.get(listed.url) == listed.fingerprint or await self._settle(
                    listed, self._known, found
                ):
                    self._settled[listed.url] = seen[listed.url] = listed.fingerprint
        self._settled = seen  # what is no longer listed need not be remembered
        return found

    async def _settle(self, listed: Listed, known: Known, found: Round) -> bool:
        """Submit a manifest, or refuse it; tell whether it needs no second look for as long as it does not change."""
        if not listed.has_checksum and datetime.now(UTC) - listed.modified < CHECKSUM_PATIENCE:
            found.waiting += 1
            return False
        try:
            return await self._take(listed, known, found)
        except (BadManifest, LocationForbidden) as error:
            self._refuse(listed, str(error), found)
            return True
        except ManifestNotFound:
            return False
        except Exception as error:
            if may_pass(error):
                raise
            failures = self._failures[listed.url] = self._failures.get(listed.url, 0) + 1
            if failures < STUBBORN:
                raise
            log.warning("manifest passed over", manifest_url=listed.url, failures=failures, reason=reason(error))
            found.failed += 1
            return False

    def _refuse(self, listed: Listed, why: str, found: Round) -> None:
        log.error("manifest refused", manifest_url=listed.url, reason=why)
        self._failures.pop(listed.url, None)
        found.refused += 1

    async def _take(self, listed: Listed, known: Known, found: Round) -> bool:
        located = await read_manifest(listed.url, self._settings.prefixes)
        if known.is_too_old(listed.report, located.manifest):
            log.info("manifest is too old", manifest_url=listed.url, created=str(located.manifest.creation_time))
            return True
        job, queued = await submit(
            self._database, self._settings, manifest_url=listed.url, requester=Requester(name="watch")
        )
        self._failures.pop(listed.url, None)
        if queued:
            found.submitted += 1
            log.info("manifest submitted", manifest_url=listed.url, job_id=job.id)
        return True
