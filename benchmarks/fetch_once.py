"""Fetch an inventory by the service's own code, in a process of its own; prints the seconds that the fetching took."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from app.inventory.fetch import fetch
from app.inventory.storage import read_manifest


async def main(manifest_url: str, spool: str) -> None:
    prefixes = (manifest_url.partition("/inventory/")[0] + "/",)
    located = await read_manifest(manifest_url, prefixes)
    start = time.perf_counter()
    await fetch(located, prefixes, Path(spool), lambda _done, _total: None)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
