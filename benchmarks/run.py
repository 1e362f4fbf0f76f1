"""`make bench`: measure the service and its peers side by side, and write `benchmarks/RESULTS.md`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from benchmarks import fetching, pages, reconciling
from benchmarks.cache import sample
from benchmarks.results import Results
from benchmarks.server import with_catalog

PARTS = ("reports", "manifests", "lists", "pages", "fetch")
ALONE = "duckdb"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000, help="how many files the generated catalog has")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[*PARTS, ALONE],
        help="measure only this; `duckdb` is our engine alone, once, for sizes at which peers would take hours",
    )
    parser.add_argument("--growth", action="store_true", help="also measure a fifth of the size and four times it")
    arguments = parser.parse_args()
    # PostgreSQL and the service are stopped on the way out, which a bare SIGTERM would skip.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parts = arguments.only or [part for part in PARTS if part != "manifests"]
    for files in (arguments.files // 5, arguments.files * 4) if arguments.growth else ():
        asyncio.run(measure(files, ["manifests"]))
    asyncio.run(measure(arguments.files, parts))


async def measure(files: int, parts: list[str]) -> None:
    """Measure some parts at one size; each is saved as soon as it is measured."""
    csv, parquet = sample(files, "csv"), sample(files, "parquet")
    results = Results.of(files)
    if "lists" in parts:
        results.keep(reconciling.of_key_lists(csv))
    if "fetch" in parts:
        results.keep(fetching.measure(csv))
    if {"reports", "manifests", "pages", ALONE}.isdisjoint(parts):
        return
    server = await with_catalog(csv)
    if "reports" in parts:
        results.keep(await reconciling.with_peers(server, csv, parquet))
    if "manifests" in parts:
        results.keep(await reconciling.from_manifests(server, csv, parquet))
    if ALONE in parts:
        results.keep(await reconciling.alone(server, csv, parquet))
    if "pages" in parts:
        results.keep(await pages.measure(server, csv))


if __name__ == "__main__":
    main()
