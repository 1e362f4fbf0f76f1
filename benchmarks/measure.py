"""One measurement: how long, and how much memory."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.memory import Peak, of_postgres, of_tree, processor_seconds
from benchmarks.server import Server

REPEATS = 3


class PeerFailed(Exception):
    """A peer could not be run; the reason stands in the table."""


@dataclass(frozen=True)
class Measured:
    """One way of doing it: the best time, all times, the largest peaks of memory, the least processor time."""

    seconds: float
    times: list[float] = field(default_factory=list)
    peak: int = 0
    postgres_peak: int = 0
    processor: float = 0.0
    postgres_processor: float = 0.0

    @classmethod
    def best(cls, runs: Sequence[Measured]) -> Measured:
        """Take the best time, and for the memory the worst of all repeats."""
        return cls(
            min(run.seconds for run in runs),
            [round(run.seconds, 2) for run in runs],
            max(run.peak for run in runs),
            max(run.postgres_peak for run in runs),
            min(run.processor for run in runs),
            min(run.postgres_processor for run in runs),
        )


def command(
    arguments: Sequence[str | Path], server: Server | None, *, log: Path, env: dict[str, str] | None = None
) -> Measured:
    """Run a program to its end. Raises `PeerFailed` with the end of what it said."""
    with log.open("wb") as output:
        before, postgres_before = _ended_children(), processor_seconds(server.pid) if server else 0.0
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(each) for each in arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
        with (
            Peak(lambda: of_tree(process.pid)) as own,
            Peak(lambda: of_postgres(server.pid) if server else 0) as postgres,
        ):
            process.wait()
            seconds = time.perf_counter() - start
    if process.returncode:
        said = log.read_text(errors="replace").strip().splitlines()
        raise PeerFailed(said[-1] if said else f"exit code {process.returncode}")
    spent = processor_seconds(server.pid) - postgres_before if server else 0.0
    return Measured(seconds, [], own.bytes, postgres.bytes, _ended_children() - before, spent)


def _ended_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
