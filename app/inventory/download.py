"""Bring one object to this machine: several ranges at a time, written and hashed in their order."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from app.db.blocking import aside
from app.errors import BadInventory
from app.inventory.resolve import Found
from app.inventory.verify import require_md5

PIECE = 4 << 20  # bytes of one range
PARTIAL = ".part"
AHEAD = 4  # ranges of one file that are asked for before the first is written


async def download(found: Found, target: Path, connections: asyncio.Semaphore, report: Callable[[int], None]) -> None:
    """Write an object to `target`, which appears only when its size and MD5 are what the manifest says.

    At most `AHEAD` pieces are held in memory, and never more is written than the manifest says. Raises
    `BadInventory`, `StorageUnavailable`; nothing of the file is then left.
    """
    partial = target.with_name(f"{target.name}.{uuid4().hex}{PARTIAL}")
    try:
        md5 = await _write(found, partial, connections, report)
        require_md5(found.file, md5)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


async def _write(found: Found, partial: Path, connections: asyncio.Semaphore, report: Callable[[int], None]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    coming: deque[asyncio.Task[bytes]] = deque()

    async def read(start: int, end: int) -> bytes:
        async with connections:
            return await _read_all(found, start, end)

    # Python's own file objects lock: a write in a thread ends before the file is closed, even on cancellation.
    with partial.open("xb", buffering=PIECE) as out:

        def take(piece: bytes) -> None:
            digest.update(piece)
            out.write(piece)

        async def take_first() -> None:
            piece = await coming[0]
            coming.popleft()
            await aside(take, piece)
            report(len(piece))

        try:
            for start in range(0, found.file.size, PIECE):
                coming.append(asyncio.create_task(read(start, min(start + PIECE, found.file.size))))
                if len(coming) == AHEAD:
                    await take_first()
            while coming:
                await take_first()
        finally:
            for task in coming:
                task.cancel()
            await asyncio.gather(*coming, return_exceptions=True)
    return digest.hexdigest()


async def _read_all(found: Found, start: int, end: int) -> bytes:
    try:
        piece = await found.source.read(found.location, start, end)
    except FileNotFoundError:
        raise BadInventory(f"{found.file.key} went away while it was read.") from None
    if len(piece) != end - start:
        raise BadInventory(f"{found.file.key} has another size than the {found.file.size:,} bytes that it had before.")
    return piece
