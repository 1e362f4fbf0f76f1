"""Ways of doing the same, each measured once in every round: what slows the machine for a while meets all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from benchmarks.measure import REPEATS, Measured, PeerFailed
from benchmarks.results import Row


@dataclass(frozen=True)
class Way:
    """One way: its name in the table, what it leaves behind, and how to do it once."""

    name: str
    kept: str
    once: Callable[[], Awaitable[Measured]]


async def in_rounds(ways: Sequence[Way]) -> tuple[list[Row], dict[str, Measured]]:
    """Give a row for each way, and by its name what was measured, unless it failed."""
    runs: dict[str, list[Measured]] = {way.name: [] for way in ways}
    failed: dict[str, PeerFailed] = {}
    for _ in range(REPEATS):
        for way in ways:
            if way.name not in failed:
                try:
                    runs[way.name].append(await way.once())
                except PeerFailed as error:
                    failed[way.name] = error
    measured = {way.name: Measured.best(runs[way.name]) for way in ways if way.name not in failed}
    rows = [
        Row.of(way.name, measured[way.name], way.kept)
        if way.name in measured
        else Row.of_value(way.name, f"failed: {failed[way.name]}")
        for way in ways
    ]
    return rows, measured
