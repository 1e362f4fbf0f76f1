"""Manifests in a folder of this machine, found without a look at the files beside them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from app.arrival.destination import CHECKSUM, MANIFEST, SLACK, WITHOUT_MANIFESTS, Floor, Listed, report_of, time_of
from app.errors import StorageUnavailable

log = structlog.get_logger()


class FolderDestination:
    """A folder of this machine; links to folders are not followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def manifests(self, floor: Floor) -> AsyncGenerator[Listed, None]:
        """List the manifests, folder by folder in the order of their names.

        Raises `StorageUnavailable` when the folder itself cannot be listed; one in it is left out and logged.
        """
        to_do = [self._folder]
        while to_do:
            folder = to_do.pop()
            try:
                looked = await asyncio.to_thread(_look, folder)
            except OSError as error:
                if folder == self._folder:
                    raise StorageUnavailable(f"{folder} cannot be listed: {error.strerror}.") from error
                log.warning("folder left out", folder=str(folder), reason=error.strerror)
                continue
            if looked.manifest is not None:
                yield _listed(folder, looked.manifest, looked.checksum)
            to_do += [folder / name for name in reversed(_worth(looked.folders, floor(f"file://{folder}")))]


@dataclass(slots=True)
class _Looked:
    """What matters of a folder: the folders in it, and the manifest and its checksum where there are any."""

    folders: list[str]
    manifest: os.stat_result | None = None
    checksum: os.stat_result | None = None


def _look(folder: Path) -> _Looked:
    looked = _Looked([])
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                looked.folders.append(entry.name)
            elif entry.name == MANIFEST and entry.is_file():
                looked.manifest = entry.stat()
            elif entry.name == CHECKSUM and entry.is_file():
                looked.checksum = entry.stat()
    return looked


def _worth(folders: list[str], floor: datetime | None) -> list[str]:
    """Choose the folders that may hold manifests to take in, in the order of their names."""
    times = {name: time_of(name) for name in folders}
    is_report = any(time is not None for time in times.values())
    return sorted(
        name
        for name, time in times.items()
        if not (is_report and name in WITHOUT_MANIFESTS)
        and not (time is not None and floor is not None and time < floor - SLACK)
    )


def _listed(folder: Path, manifest: os.stat_result, checksum: os.stat_result | None) -> Listed:
    path = folder / MANIFEST
    return Listed(
        url=path.as_uri(),
        report=report_of(f"file://{path}"),
        fingerprint=f"{_version(manifest)} {_version(checksum)}",
        modified=datetime.fromtimestamp(manifest.st_mtime, UTC),
        has_checksum=checksum is not None,
    )


def _version(found: os.stat_result | None) -> str:
    return "-" if found is None else f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"
