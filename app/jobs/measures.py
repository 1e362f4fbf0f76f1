"""What a process measures of the runs it works on, for Prometheus."""

from __future__ import annotations

import time

from prometheus_client import Counter, Histogram

PHASE_SECONDS = Histogram(
    "orca_reconcile_phase_seconds",
    "How long runs of this process spent in each phase",
    ["engine", "phase"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600),
)
ROWS_COMPARED = Counter(
    "orca_reconcile_rows_compared_total", "Objects and files that this process has compared", ["engine", "side"]
)
RUNS_ENDED = Counter(
    "orca_reconcile_runs_ended_total", "Attempts of this process, by how they ended", ["engine", "end"]
)


class PhaseClock:
    """Times the phases of one attempt, each from its first report to that of the next."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._phase: str | None = None
        self._since = 0.0

    def enter(self, phase: str | None) -> None:
        """Begin a phase, or end the last one (None); reports of the same phase change nothing."""
        if phase == self._phase:
            return
        now = time.monotonic()
        if self._phase is not None:
            PHASE_SECONDS.labels(self._engine, self._phase).observe(now - self._since)
        self._phase, self._since = phase, now
