"""Manifests in a bucket, found by a listing that jumps over all that holds none.

A bucket lists its keys in their order, a thousand for a request, from any key on. So the dated folders that are too
old are passed by with one request, and so is `data/` with its hundred thousand files.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import obstore

from app.arrival.destination import (
    CHECKSUM,
    DATED,
    MANIFEST,
    SLACK,
    WITHOUT_MANIFESTS,
    Floor,
    Listed,
    dated,
    report_of,
    s3_url,
    time_of,
)
from app.inventory.s3 import S3Source, in_our_words

if TYPE_CHECKING:  # obstore has this in its stubs alone
    from obstore import ObjectMeta

KEYS_AT_A_TIME = 1000
_LAST = "\U0010ffff"  # sorts after every other character
_IN_DATED_FOLDER = re.compile(rf"(?P<report>(?:.*?/)?)(?P<dated>{DATED.pattern})/", re.DOTALL)


class BucketDestination(S3Source):
    """A folder of a bucket; `folder` is the part of the keys before its last slash, '' for the whole bucket."""

    def __init__(self, bucket: str, folder: str) -> None:
        super().__init__(bucket)
        self._bucket = bucket
        self._folder = folder

    async def manifests(self, floor: Floor) -> AsyncGenerator[Listed, None]:
        """List the manifests with a memory of one page. Raises `StorageUnavailable`."""
        checksum: ObjectMeta | None = None
        async for found in self._wanted(_Jumps(self._bucket, floor)):
            folder, _, name = found["path"].rpartition("/")
            if name == CHECKSUM:  # which comes right before its manifest
                checksum = found
            elif name == MANIFEST:
                beside = checksum if checksum is not None and checksum["path"].rpartition("/")[0] == folder else None
                yield Listed(
                    url=s3_url(self._bucket, found["path"]),
                    report=report_of(f"s3://{self._bucket}/{found['path']}"),
                    fingerprint=f"{_version(found)} {_version(beside)}",
                    modified=found["last_modified"],
                    has_checksum=beside is not None,
                )

    async def _wanted(self, jumps: _Jumps) -> AsyncGenerator[ObjectMeta, None]:
        """List from the first key, and anew from wherever there is something to jump over."""
        start: str | None = None
        while True:
            async with aclosing(self._listed(start)) as keys:
                async for found in keys:
                    start = jumps.over(found["path"])
                    if start is not None:
                        break
                    yield found
                else:
                    return

    async def _listed(self, start: str | None) -> AsyncGenerator[ObjectMeta, None]:
        with in_our_words(f"s3://{self._bucket}/{self._folder}"):
            pages = obstore.list(self._store, self._folder or None, offset=start, chunk_size=KEYS_AT_A_TIME)
            async for page in pages:
                for found in page:
                    yield found


class _Jumps:
    """Knows what need not be listed. No jump is made twice, so that a store of another order cannot trap us."""

    def __init__(self, bucket: str, floor: Floor) -> None:
        self._bucket = bucket
        self._floor = floor
        self._report: str | None = None
        self._made: set[str] = set()

    def over(self, key: str) -> str | None:
        """Give the key after which to go on; `None` when this one is wanted."""
        jump = self._target(key)
        if jump is None or jump in self._made:
            return None
        self._made.add(jump)
        return jump

    def _target(self, key: str) -> str | None:
        in_dated = _IN_DATED_FOLDER.match(key)
        if in_dated is not None:
            self._report = in_dated["report"]
            return self._to_floor(in_dated["report"], in_dated["dated"])
        if self._report is not None:
            for name in WITHOUT_MANIFESTS:
                if key.startswith(f"{self._report}{name}/"):
                    return f"{self._report}{name}/{_LAST}"
        return None

    def _to_floor(self, report: str, folder: str) -> str | None:
        time = time_of(folder)
        floor = self._floor(f"s3://{self._bucket}/{report}".rstrip("/"))
        if time is None or floor is None or time >= floor - SLACK:
            return None
        return f"{report}{dated(floor - SLACK)}"


def _version(found: ObjectMeta | None) -> str:
    return "-" if found is None else f"{found['e_tag']} {found['size']} {found['last_modified']}"
