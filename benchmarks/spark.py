"""`make bench-spark`: engine `spark` by one worker and by two beside `duckdb`, written to `benchmarks/spark.md`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from benchmarks.cache import DATA_FILES, ROOT, Sample, sample
from benchmarks.server import Server, with_catalog
from benchmarks.service import Service, running
from benchmarks.spark_cluster import MeasuredCluster, cluster
from benchmarks.spark_results import SparkRun, keep, write
from tests.support.spark import Postgres

ROWS_A_FILE = 625_000
FINDINGS = """
    SELECT md5(string_agg(finding, E'\\n' ORDER BY finding COLLATE "C")) FROM (
        SELECT 'phantom ' || key_path AS finding FROM orca.reconcile_phantom_report WHERE job_id = $1
        UNION ALL SELECT 'orphan ' || key_path FROM orca.reconcile_orphan_report WHERE job_id = $1
        UNION ALL SELECT discrepancy_type || ' ' || key_path
        FROM orca.reconcile_catalog_mismatch_report WHERE job_id = $1
    ) AS found
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000, help="how many files the generated catalog has")
    parser.add_argument("--format", choices=["csv", "orc", "parquet"], default="parquet")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="sizes of cluster, one after the other")
    parser.add_argument("--repeats", type=int, default=2, help="runs of each; a cluster's first finds its JVMs cold")
    parser.add_argument("--missing", action="store_true", help="compare with an empty catalog: all objects are orphans")
    parser.add_argument("--load", action="store_true", help="only make the sample and the database")
    arguments = parser.parse_args()
    # Every server is stopped on the way out, which a bare SIGTERM would skip.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    chosen = _sample(arguments.files, arguments.format)
    if arguments.load:
        asyncio.run(with_catalog(chosen))
        return
    # In a process of its own, with whose end the embedded PostgreSQL ends.
    load = [sys.executable, "-m", "benchmarks.spark", "--load", "--files", str(arguments.files), "--format"]
    subprocess.run([*load, arguments.format], check=True)
    with on_tcp(chosen) as server:
        asyncio.run(measure(server, chosen, arguments.workers, arguments.repeats, missing=arguments.missing))
    write()


def _sample(files: int, file_format: str) -> Sample:
    return sample(files, file_format, data_files=max(DATA_FILES, files // ROWS_A_FILE))


@contextmanager
def on_tcp(chosen: Sample) -> Iterator[Server]:
    """Start the database of a sample where a cluster reaches it."""
    (folder,) = (ROOT / "databases").glob(f"{chosen.files}-*")
    postgres = Postgres.start_in(folder, data="postgres")
    try:
        yield Server(f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres", folder / "postgres")
    finally:
        postgres.stop("fast")


async def measure(server: Server, chosen: Sample, sizes: list[int], repeats: int, *, missing: bool) -> None:
    """Measure engine `duckdb`, then each size of cluster; the rows have to be the same."""
    right = None
    if missing:
        await server.execute("ALTER TABLE orca.files RENAME TO files_put_aside")
        await server.execute("CREATE TABLE orca.files (LIKE orca.files_put_aside INCLUDING ALL)")
    try:
        for workers in (0, *sizes):
            with ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orca-reconcile-bench-")))
                measured = stack.enter_context(cluster(folder / "spark", workers)) if workers else None
                for repeat in range(repeats):
                    run, findings = await one_run(server, chosen, measured)
                    run.workers, run.repeat, run.missing = workers, repeat, missing
                    keep(run)
                    right = right or findings
                    assert findings == right, "the engines give other findings"
    finally:
        if missing:
            await server.execute("DROP TABLE orca.files", "ALTER TABLE orca.files_put_aside RENAME TO files")


async def one_run(server: Server, chosen: Sample, spark: MeasuredCluster | None) -> tuple[SparkRun, str]:
    """Do one job in a service of its own, so that its memory is this job's."""
    load = os.getloadavg()[0]
    environment = {"RECONCILE_SPARK_REMOTE": spark.remote} if spark else {}
    async with running(server, prefix=ROOT / "samples", **environment) as service:
        with ExitStack() as stack:
            spent = stack.enter_context(spark.measured()) if spark else []
            job_id, measured = await service.job(chosen.manifest, "spark" if spark else "duckdb")
        phases = await _phases(service)
    findings = str(await server.value(FINDINGS, job_id))
    return SparkRun.of(chosen, measured, spent[0] if spent else None, phases, load), findings


async def _phases(service: Service) -> dict[str, float]:
    """Read how long each phase took from what the service says of itself."""
    async with httpx.AsyncClient(base_url=service.address, timeout=30) as client:
        said = (await client.get("/metrics")).raise_for_status().text
    lines = (line.rsplit(" ", 1) for line in said.splitlines() if line.startswith("orca_reconcile_phase_seconds_sum"))
    return {name.partition('phase="')[2].partition('"')[0]: float(seconds) for name, seconds in lines}


if __name__ == "__main__":
    main()
