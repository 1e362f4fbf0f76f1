"""Have an inventory's data files on this machine, each verified: fetched from S3, or where they lie on its disk."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from app.errors import StorageUnavailable
from app.inventory.download import PARTIAL, download
from app.inventory.manifest import DataFile
from app.inventory.resolve import Found, find_files
from app.inventory.storage import Located
from app.inventory.together import each
from app.inventory.verify import md5_of, require_md5

FILES = 4  # at a time
CONNECTIONS = 8  # to a store at a time, for all files together
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_NAME_CHARACTERS = 100  # kept of a file's name, from its end, which holds the extension


async def fetch(
    located: Located, prefixes: Sequence[str], spool: Path, report: Callable[[int, int], None]
) -> tuple[Path, ...]:
    """Give the local paths of a manifest's data files in its order, when all are of the size and MD5 that it says.

    Files of this machine are verified where they lie. Those of S3 go to a folder of the manifest's own in `spool`;
    what is already there and intact is not fetched again, and what fails to arrive leaves nothing there.
    `report` is told how many bytes are done, and of how many.

    Raises `LocationForbidden`, `StorageUnavailable`, and `BadInventory` with the name of the file.
    """
    found = await find_files(located, prefixes)
    progress = _Progress(located.manifest.size_in_bytes, report)
    if found and found[0].location.scheme == "s3":
        return await _to_spool(found, _folder(spool, located), progress)
    return await _in_place(found, progress)


def release(spool: Path, located: Located) -> None:
    """Remove what `fetch` put into the spool for this manifest; files that lie elsewhere are not touched."""
    shutil.rmtree(_folder(spool, located), ignore_errors=True)


class _Progress:
    """Counts the bytes of all files."""

    def __init__(self, total: int, report: Callable[[int, int], None]) -> None:
        self._done = 0
        self._total = total
        self._report = report

    def add(self, size: int) -> None:
        self._done += size
        self._report(self._done, self._total)


async def _in_place(found: Sequence[Found], progress: _Progress) -> tuple[Path, ...]:
    async def verified(one: Found) -> Path:
        path = Path(one.location.path)
        try:
            md5 = await md5_of(path, progress.add)
        except OSError as error:
            raise StorageUnavailable(f"{path} cannot be read: {error.strerror}.") from error
        require_md5(one.file, md5)
        return path

    return tuple(await each(found, verified, FILES))


async def _to_spool(found: Sequence[Found], folder: Path, progress: _Progress) -> tuple[Path, ...]:
    connections = asyncio.Semaphore(CONNECTIONS)

    async def fetched(numbered: tuple[int, Found]) -> Path:
        number, one = numbered
        path = folder / f"{number}-{_UNSAFE.sub('_', one.location.name)[-_NAME_CHARACTERS:]}"
        if await _is_intact(path, one.file):
            progress.add(one.file.size)
        else:
            await download(one, path, connections, progress.add)
        return path

    with _spooling(folder, sum(one.file.size for one in found)):
        return tuple(await each(list(enumerate(found)), fetched, FILES))


@contextmanager
def _spooling(folder: Path, size: int) -> Iterator[None]:
    """Have a folder for this many bytes, and leave none that is empty."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for partial in folder.glob(f"*{PARTIAL}"):  # what an attempt that was killed had not finished
            partial.unlink(missing_ok=True)
        _require_room(folder, size)
        yield
    except OSError as error:
        raise StorageUnavailable(f"The spool {folder.parent} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            folder.rmdir()  # fails where there is something in it


async def _is_intact(path: Path, file: DataFile) -> bool:
    """Tell whether an earlier attempt has left this very file."""
    if _size_of(path) != file.size:
        return False
    return await md5_of(path, lambda _: None) == file.md5


def _size_of(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _require_room(folder: Path, size: int) -> None:
    """Refuse at once what the disk has no room for, counting what an earlier attempt has left."""
    present = sum(path.stat().st_size for path in folder.iterdir())
    free = shutil.disk_usage(folder).free
    if size - present > free:
        raise StorageUnavailable(
            f"The spool {folder.parent} has {free:,} bytes free, and {size - present:,} are to come."
        )


def _folder(spool: Path, located: Located) -> Path:
    return spool / located.md5
