"""`make bench`: measure the service and its peers side by side, and write `benchmarks/RESULTS.md`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from benchmarks import fetching, growth, pages, reconciling
from benchmarks.cache import sample
from benchmarks.results import Results
from benchmarks.server import with_catalog

BY_DEFAULT = ("reports", "lists", "pages", "fetch")
PARTS = (*BY_DEFAULT, "manifests", "growth", "duckdb")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000, help="how many files the generated catalog has")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=BY_DEFAULT,
        help="measure only this: `manifests` is the part of `reports` that starts from manifests, `growth` our engine "
        "also at a fifth of the size and at four times it, `duckdb` our engine once, where peers would take hours",
    )
    arguments = parser.parse_args()
    # PostgreSQL and the service are stopped on the way out, which a bare SIGTERM would skip.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    asyncio.run(measure(arguments.files, arguments.only))


async def measure(files: int, parts: Sequence[str]) -> None:
    """Measure some parts; each is saved as soon as it is measured."""
    csv, parquet = sample(files, "csv"), sample(files, "parquet")
    results = Results.of(files)
    if "lists" in parts:
        results.keep(reconciling.of_key_lists(csv))
    if "fetch" in parts:
        results.keep(fetching.measure(csv))
    if "growth" in parts:
        results.keep(await growth.measure(files))
    if {"reports", "manifests", "pages", "duckdb"}.isdisjoint(parts):
        return
    server = await with_catalog(csv)
    if "reports" in parts:
        results.keep(await reconciling.with_peers(server, csv, parquet))
    if "manifests" in parts:
        results.keep(await reconciling.from_manifests(server, csv, parquet))
    if "duckdb" in parts:
        results.keep(await reconciling.alone(server, csv, parquet))
    if "pages" in parts:
        results.keep(await pages.measure(server, csv))


if __name__ == "__main__":
    main()
