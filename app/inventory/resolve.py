"""Find each data file of a manifest, within the prefixes that allow it.

A manifest lists its files by their keys in the destination bucket. A report that was copied elsewhere still does, or
lists them by their bare names beside the manifest; all of these are found.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from app.errors import BadInventory, LocationForbidden, StorageUnavailable
from app.inventory.locations import Location, Prefixes, is_plain, parse_location
from app.inventory.manifest import DataFile
from app.inventory.storage import Located, Source, source_of
from app.inventory.together import each

_AT_ONCE = 8


@dataclass(frozen=True)
class Found:
    """A data file, where it lies, and what reads it there."""

    file: DataFile
    location: Location
    source: Source


async def find_files(located: Located, prefixes: Sequence[str]) -> list[Found]:
    """Find all data files of a manifest, in its order, each of the size that the manifest says.

    Raises `LocationForbidden` when a file lies outside the prefixes, before any store is asked for one;
    `BadInventory` when one is missing or of another size; `StorageUnavailable`.
    """
    allowed = Prefixes(prefixes)
    manifest = parse_location(located.url)
    allowed.require(manifest)
    destination = located.manifest.destination_bucket
    sources: dict[str, Source] = {}

    def places() -> list[tuple[DataFile, list[Location]]]:
        return [(file, _places(file.key, manifest, destination, allowed)) for file in located.manifest.files]

    async def find(listed: tuple[DataFile, list[Location]]) -> Found:
        file, candidates = listed
        location = await _first_there(file, candidates, sources)
        return Found(file, location, sources[location.bucket])

    return await each(await asyncio.to_thread(places), find, _AT_ONCE)


def _places(key: str, manifest: Location, destination: str, allowed: Prefixes) -> list[Location]:
    """Say where a data file may lie, the likeliest place first. Raises `LocationForbidden` if that is nowhere."""
    if not is_plain(key):
        raise LocationForbidden(f"{key!r} may not be read: it is no plain path, but the manifest lists it.")
    if manifest.scheme == "file":
        return [_nearest(key, manifest, allowed)]
    places = [Location("s3", destination, key)]
    if "/" not in key:
        places.append(manifest.beside(key))
    if not any(map(allowed.admit, places)):
        allowed.require(places[0])
    return [place for place in places if allowed.admit(place)]


def _nearest(key: str, manifest: Location, allowed: Prefixes) -> Location:
    """Take the nearest folder above the manifest under which the key is a path; that folder stands for the bucket."""
    for folder in PurePosixPath(manifest.path).parents:
        path = f"{folder}/{key}".replace("//", "/")
        if not allowed.admit(Location("file", "", path)):
            break
        if os.path.lexists(path):
            place = Location("file", "", os.path.realpath(path))
            allowed.require(place)
            return place
    return manifest.beside(key)


async def _first_there(file: DataFile, candidates: list[Location], sources: dict[str, Source]) -> Location:
    """Ask for each candidate in turn; without the right to list a bucket, S3 refuses what is not there."""
    refused: StorageUnavailable | None = None
    for location in candidates:
        source = sources.setdefault(location.bucket, source_of(location))
        try:
            size = await source.size_of(location)
        except StorageUnavailable as error:
            refused = refused or error
            continue
        if size is not None:
            if size != file.size:
                raise BadInventory(f"{file.key} has {size:,} bytes, and the manifest says {file.size:,}.")
            return location
    if refused is not None:
        raise refused
    place = candidates[0]
    where = f"at {place}" if place.scheme == "s3" else f"in {str(place).removesuffix(file.key)} or a folder above it"
    raise BadInventory(f"{file.key} is missing: the manifest lists it, but there is no such file {where}.")
