"""Read a manifest from where it lies: allowed first, then there, then whole, then valid."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.errors import BadManifest, ManifestNotFound
from app.inventory.disk import DiskSource
from app.inventory.locations import Location, Prefixes, parse_location
from app.inventory.manifest import Manifest, parse_manifest
from app.inventory.s3 import S3Source

# A data file takes about 200 bytes in the manifest and holds some 1.9 million rows: this is room for 80,000 files,
# or 150 billion objects, and keeps what is no manifest out of the memory.
MOST_MANIFEST_BYTES = 16 << 20
_MOST_CHECKSUM_BYTES = 1024
_MD5 = re.compile(rb"\s*([0-9a-fA-F]{32})\s*")


@dataclass(frozen=True)
class Located:
    """A manifest, the URL it was read from as it was given, and the MD5 of its bytes in lower-case hex."""

    url: str
    manifest: Manifest
    md5: str


class Source(Protocol):
    """Where objects lie: a bucket, or this machine's disk."""

    async def size_of(self, location: Location) -> int | None:
        """Ask how many bytes an object has; `None` when there is none."""

    async def read(self, location: Location, start: int, end: int) -> bytes:
        """Read a part of an object; short only where the object ends. Raises `FileNotFoundError`."""


def source_of(location: Location) -> Source:
    """Give what reads this location and others of its bucket."""
    return S3Source(location.bucket) if location.scheme == "s3" else DiskSource()


async def read_manifest(url: str, prefixes: Sequence[str]) -> Located:
    """Read and validate the manifest at a URL that lies under one of the prefixes.

    Nothing is fetched before the prefixes are checked, and never more than `MOST_MANIFEST_BYTES`. Where a checksum
    lies beside it (`manifest.checksum`, as S3 writes it last), the manifest has to match.

    Raises `LocationForbidden`, `ManifestNotFound`, `BadManifest`, `StorageUnavailable`.
    """
    allowed = Prefixes(prefixes)
    location = parse_location(url)
    allowed.require(location)
    source = source_of(location)
    raw = await _read_whole(source, location, MOST_MANIFEST_BYTES)
    if raw is None:
        raise ManifestNotFound(f"There is no manifest at {url}.")
    md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    checksum = location.beside(f"{location.name.removesuffix('.json')}.checksum")
    allowed.require(checksum)
    await _compare_checksum(source, checksum, md5, url)
    return Located(url, await asyncio.to_thread(parse_manifest, raw, url), md5)


async def _compare_checksum(source: Source, checksum: Location, md5: str, url: str) -> None:
    raw = await _read_whole(source, checksum, _MOST_CHECKSUM_BYTES)
    if raw is None:
        return
    said = _MD5.fullmatch(raw)
    if said is None:
        raise BadManifest(f"{checksum} does not hold an MD5 of 32 hexadecimal digits.")
    if said[1].decode().lower() != md5:
        raise BadManifest(f"{url} has the MD5 {md5}, but {checksum.name} says {said[1].decode().lower()}.")


async def _read_whole(source: Source, location: Location, most: int) -> bytes | None:
    """Read an object of at most so many bytes; `None` when there is none."""
    size = await source.size_of(location)
    if size is None:
        return None
    if size > most:
        raise BadManifest(f"{location} is no manifest: it has {size:,} bytes, and at most {most:,} are read.")
    if size == 0:
        return b""
    try:
        return await source.read(location, 0, size)
    except FileNotFoundError:
        return None
