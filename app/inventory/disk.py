"""Files of this machine, read in threads so that the event loop stays free."""

from __future__ import annotations

import asyncio
import errno
import stat
from pathlib import Path

from app.errors import StorageUnavailable
from app.inventory.locations import Location


class DiskSource:
    """The files of this machine; a folder, a pipe or a device is none."""

    async def size_of(self, location: Location) -> int | None:
        """Ask how many bytes a file has; `None` when there is none. Raises `StorageUnavailable`."""
        return await asyncio.to_thread(_size_of, Path(location.path))

    async def read(self, location: Location, start: int, end: int) -> bytes:
        """Read from byte `start` to before byte `end`, or to the end of the file. Raises `FileNotFoundError`."""
        return await asyncio.to_thread(_read, Path(location.path), start, end)


def _size_of(path: Path) -> int | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise StorageUnavailable(f"{path} cannot be read: {error.strerror}.") from error
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _read(path: Path, start: int, end: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(end - start)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be read: {error.strerror}.") from error
