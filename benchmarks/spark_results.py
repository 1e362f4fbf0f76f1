"""What was measured of engine `spark`, and the tables of `benchmarks/spark.md`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby, pairwise
from pathlib import Path
from typing import Self

from pydantic import BaseModel

from benchmarks.cache import Sample, folder
from benchmarks.machine import description
from benchmarks.measure import Measured
from benchmarks.spark_cluster import Spent

RESULTS = Path(__file__).parent / "spark.md"
MB = 1_000_000
GROWTH_AT_MOST = 4.4
SERVICE_AT_MOST = 400 * MB
HEAD = """# Engine `spark`, by one worker and by two

Written by `make bench-spark`; [README.md](README.md) says how. Workers are processes of one core and 1 GiB
(`local-cluster[n,1,1024]`) on the machine that also runs the driver, PostgreSQL and the service: a second worker
shares two cores with all of these. A cluster's first run has cold JVMs, and a JVM goes on compiling for several more.
[docs/scale.md](../docs/scale.md) has the model that is fitted to this.

{machine}
"""


class SparkRun(BaseModel):
    """One run of one engine; `workers` is 0 for duckdb."""

    files: int
    file_format: str
    workers: int = 0
    repeat: int = 0
    missing: bool = False
    measured_at: datetime
    load: float
    seconds: float
    service_peak: int
    service_processor: float
    postgres_processor: float
    phases: dict[str, float]
    processor: float = 0
    driver_processor: float = 0
    tasks: int = 0
    shuffled: int = 0
    spilled: int = 0
    executor_peak: int = 0
    driver_peak: int = 0

    @classmethod
    def of(cls, sample: Sample, measured: Measured, spent: Spent | None, phases: dict[str, float], load: float) -> Self:
        """Put together what was measured of the service and of the cluster."""
        return cls(
            files=sample.files,
            file_format=sample.file_format,
            measured_at=datetime.now(UTC),
            load=load,
            seconds=measured.seconds,
            service_peak=measured.peak,
            service_processor=measured.processor,
            postgres_processor=measured.postgres_processor,
            phases=phases,
            **(asdict(spent) if spent else {}),
        )

    @property
    def kind(self) -> tuple[bool, str, int]:
        """What may be set side by side: the same data."""
        return (self.missing, self.file_format, self.files)

    @property
    def engine(self) -> str:
        """How the tables call it."""
        if not self.workers:
            return "duckdb"
        return f"spark, {self.workers} worker{'s' if self.workers > 1 else ''}, {'warm' if self.repeat else 'cold'}"


def keep(run: SparkRun) -> None:
    """Save a run, in place of an earlier one like it."""
    missing = "-missing" if run.missing else ""
    name = f"{run.files}-{run.file_format}-{run.workers}-{run.repeat}{missing}.json"
    (folder("spark-results") / name).write_text(run.model_dump_json(indent=1))
    print(_row(run), flush=True)


def write() -> None:
    """Write `spark.md` from what all runs on this machine have measured."""
    files = folder("spark-results").glob("*.json")
    runs = sorted(
        (SparkRun.model_validate_json(file.read_bytes()) for file in files),
        key=lambda run: (run.kind, run.workers, run.repeat),
    )
    parts = [HEAD.format(machine=description().replace("over its Unix socket", "over TCP"))]
    for (missing, file_format, size), same in groupby(runs, lambda run: run.kind):
        what = "objects, none in the catalog" if missing else "files"
        parts.append(f"## {size:,} {what}, {file_format}\n")
        parts.append(_table(list(same)))
    parts.append(_verdicts(runs))
    RESULTS.write_text("\n".join(parts))


def _table(runs: list[SparkRun]) -> str:
    head = (
        "| engine | load before | wall, s | processor, s: executors, driver, PostgreSQL, service | tasks "
        "| shuffled, MB | spilled, MB | peak, MB: service, largest executor, driver | phases, s |"
    )
    lines = [head, f"|{' --- |' * 9}", *map(_row, runs), ""]
    best = {
        workers: min(run.seconds for run in runs if run.workers == workers) for workers in {r.workers for r in runs}
    }
    if 1 in best and 2 in best:
        lines.append(f"Two workers are {best[1] / best[2]:.2f} times as fast as one.")
    if 0 in best:
        lines += [
            f"duckdb is {seconds / best[0]:.1f} times as fast as {workers} worker{'s' if workers > 1 else ''}."
            for workers, seconds in best.items()
            if workers
        ]
    return "\n".join([*lines, ""])


def _row(run: SparkRun) -> str:
    processors = (run.processor, run.driver_processor, run.postgres_processor, run.service_processor)
    peaks = (run.service_peak, run.executor_peak, run.driver_peak)
    cells = (
        run.engine,
        f"{run.load:.1f}",
        f"{run.seconds:.1f}",
        ", ".join(f"{seconds:.1f}" for seconds in processors),
        f"{run.tasks}",
        f"{run.shuffled / MB:,.0f}",
        f"{run.spilled / MB:,.0f}",
        ", ".join(f"{peak / MB:,.0f}" for peak in peaks),
        ", ".join(f"{name} {seconds:.1f}" for name, seconds in run.phases.items()),
    )
    return f"| {' | '.join(cells)} |"


def _verdicts(runs: list[SparkRun]) -> str:
    lines = ["## What must be", "", "| | measured | must | |", "| --- | --- | --- | --- |"]
    of_spark = [run for run in runs if run.workers]
    if not of_spark:
        return ""
    peak = max(run.service_peak for run in of_spark)
    kept = "reached" if peak < SERVICE_AT_MOST else "**missed**"
    lines.append(f"| largest peak of the service, MB | {peak / MB:,.0f} | {SERVICE_AT_MOST / MB:,.0f} | {kept} |")
    for workers in sorted({run.workers for run in of_spark}):
        # The first runs, which every size has: a warm cluster against a cold one would be no growth.
        of_parquet = (run for run in of_spark if run.workers == workers and run.file_format == "parquet")
        times = {run.files: run.seconds for run in of_parquet if run.repeat == 0 and not run.missing}
        sizes = sorted(times)
        for files, more in pairwise(sizes):
            grown = times[more] / times[files]
            must = GROWTH_AT_MOST if (files, more) == (5_000_000, 20_000_000) else 0
            verdict = "" if not must else "reached" if grown <= must else "**missed**"
            name = f"growth from {files:,} to {more:,}, {workers} worker{'s' if workers > 1 else ''}"
            lines.append(f"| {name} | {grown:.2f} | {must or ''} | {verdict} |")
    return "\n".join([*lines, ""])
