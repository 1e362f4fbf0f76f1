"""What a process measures of the runs it works on: figures for Prometheus, spans for OpenTelemetry."""

from __future__ import annotations

import time

from opentelemetry import trace
from prometheus_client import Counter, Histogram

from app.jobs.model import Run

TRACER = trace.get_tracer("orca-reconcile")

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


class Attempt:
    """Times one attempt of a run and its phases, each phase from its first report to that of the next."""

    def __init__(self, run: Run) -> None:
        self._engine = run.engine
        self._span = TRACER.start_span(
            "run",
            attributes={
                "orca_reconcile.job_id": run.job_id,
                "orca_reconcile.run_id": run.id,
                "orca_reconcile.attempt": run.attempt,
                "orca_reconcile.engine": run.engine,
                "orca_reconcile.archive_location": run.orca_archive_location,
            },
        )
        # Phases are reported from any thread, where no context says which run they belong to.
        self._context = trace.set_span_in_context(self._span)
        self._phase: str | None = None
        self._phase_span: trace.Span = trace.INVALID_SPAN
        self._since = 0.0

    def enter(self, phase: str | None) -> None:
        """Begin a phase, or end the last one (None); reports of the same phase change nothing."""
        if phase == self._phase:
            return
        now = time.monotonic()
        if self._phase is not None:
            PHASE_SECONDS.labels(self._engine, self._phase).observe(now - self._since)
            self._phase_span.end()
        if phase is not None:
            self._phase_span = TRACER.start_span(phase, self._context)
        self._phase, self._since = phase, now

    def end(self, how: str, reason: str | None = None) -> None:
        """End the last phase and the attempt, with the reason if it failed."""
        self.enter(None)
        RUNS_ENDED.labels(self._engine, how).inc()
        self._span.set_attribute("orca_reconcile.end", how)
        if reason is not None:
            self._span.set_status(trace.StatusCode.ERROR, reason)
        self._span.end()
