"""Check a file's MD5 piece by piece, so that neither the event loop nor a cancellation waits for a large file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from app.db.blocking import aside
from app.errors import BadInventory
from app.inventory.manifest import DataFile

PIECE = 1 << 20  # bytes


async def md5_of(path: Path, report: Callable[[int], None]) -> str:
    """Compute the MD5 of a file in lower-case hex; `report` is told the bytes of each piece."""
    digest = hashlib.md5(usedforsecurity=False)

    with path.open("rb") as file:

        def digest_piece() -> int:
            piece = file.read(PIECE)
            digest.update(piece)
            return len(piece)

        while size := await aside(digest_piece):
            report(size)
    return digest.hexdigest()


def require_md5(file: DataFile, md5: str) -> None:
    """Raise `BadInventory` unless a file's MD5 is what the manifest says."""
    if md5 != file.md5:
        raise BadInventory(f"{file.key} has the MD5 {md5}, and the manifest says {file.md5}.")
