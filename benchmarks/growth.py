"""How the time of engine duckdb grows with the number of files: every size once a round, beside the others."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise

from benchmarks.cache import ROOT, sample
from benchmarks.reconciling import REPORTS, from_manifest
from benchmarks.results import Figure, Section
from benchmarks.rounds import Way, in_rounds
from benchmarks.server import with_catalog
from benchmarks.service import running

FORMATS = ("csv", "parquet")
MUST, AIM = 1.1, 1.0
"""Times the growth of the files: from 5 to 20 million the time may grow 4.4-fold, and should 4-fold."""


async def measure(files: int) -> Section:
    """Measure a fifth of the files, all of them and four times as many, each on a server of its own.

    The peers are left out: at the largest size they take so much memory that the others' files left the page cache.
    """
    sizes = (files // 5, files, files * 4)
    ways: dict[tuple[str, int], Way] = {}
    async with AsyncExitStack() as stack:
        for size in sizes:
            server = await with_catalog(sample(size, "csv"))
            service = await stack.enter_async_context(running(server, prefix=ROOT / "samples"))
            for file_format in FORMATS:
                once = partial(from_manifest, service, sample(size, file_format))
                ways[file_format, size] = Way(f"{size:,} files, {file_format} manifest", REPORTS, once)
        rows, measured = await in_rounds(list(ways.values()))
    seconds = {key: measured[way.name].seconds for key, way in ways.items()}
    figures = [
        Figure.at_most(
            f"time at {more:,} over time at {less:,}, {file_format}",
            seconds[file_format, more] / seconds[file_format, less],
            MUST * more / less,
            AIM * more / less,
        )
        for file_format in FORMATS
        for less, more in pairwise(sizes)
    ]
    return Section.now("growth of ours, engine duckdb, from a manifest to its reports", rows, figures)
