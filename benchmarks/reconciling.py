"""From an inventory to its reports: ours, ORCA's way and the DuckDB script, one after the other on the same data."""

from __future__ import annotations

from benchmarks import orca_way, peers
from benchmarks.cache import ROOT, Sample, decoded_csv, key_lists
from benchmarks.measure import REPEATS, Measured, PeerFailed
from benchmarks.results import Figure, Row, Section
from benchmarks.server import Server
from benchmarks.service import Service, running

REPORTS = "three reports and summary"
WORK_MEM = "256MB"
"""What our engine gives itself for the length of its transaction."""


async def with_peers(server: Server, csv: Sample, parquet: Sample) -> Section:
    """Measure everything that ends in reports or differences, from a manifest and from staged rows."""
    rows, figures = [], []
    job = await orca_way.new_job(server)
    staged = await orca_way.stage(server, job, decoded_csv(csv))
    rows.append(Row.of("ORCA's way: CSV to keyed partition", staged, "staged rows"))
    joins = await orca_way.reconcile(server, job, work_mem="4MB")
    rows.append(Row.of("ORCA's way: three joins", joins, "three reports"))
    joins_with_memory = await orca_way.reconcile(server, job, work_mem=WORK_MEM)
    rows.append(Row.of(f"the same with work_mem = {WORK_MEM}", joins_with_memory, "three reports"))
    theirs = await orca_way.found(server, job)
    async with running(server, prefix=ROOT / "samples") as service:
        ours = {}
        for engine in ("postgres", "duckdb"):
            ours[engine] = Measured.best([await service.reconcile(job, engine) for _ in range(REPEATS)])
            assert theirs == await orca_way.found(server, job), "ORCA's way and ours give other reports"
            rows.append(Row.of(f"ours, engine {engine}: the same staged rows", ours[engine], REPORTS))
        runs = [await service.job(csv.manifest, "postgres", reconcile=False) for _ in range(REPEATS)]
        staging = Measured.best([measured for _, measured in runs])
        rows.append(Row.of("ours, engine postgres: CSV manifest to keyed partition", staging, "staged rows"))
        manifest_rows, manifest_figures, from_csv = await _from_manifests(service, csv, parquet)
    rows += manifest_rows
    orca = staged.seconds + joins.seconds
    figures += [
        *(
            Figure.at_least(f"staged reconcile by {engine}, against {name}", way.seconds / measured.seconds, 4, 6)
            for engine, measured in ours.items()
            for name, way in (("three joins", joins), (f"joins with {WORK_MEM}", joins_with_memory))
        ),
        Figure.at_least("staging, against ORCA's way", staged.seconds / staging.seconds, 1, 2),
        Figure.at_least("manifest (CSV) to published reports, against ORCA's way", orca / from_csv.seconds, 8, 12),
        *manifest_figures,
    ]
    return Section.now("from an inventory to its reports", rows, figures)


async def from_manifests(server: Server, csv: Sample, parquet: Sample) -> Section:
    """Measure the duckdb engine and the DuckDB script alone."""
    async with running(server, prefix=ROOT / "samples") as service:
        rows, figures, _ = await _from_manifests(service, csv, parquet)
    return Section.now("from a manifest to its reports", rows, figures)


async def alone(server: Server, csv: Sample, parquet: Sample) -> Section:
    """Measure the duckdb engine once, for sizes at which peers would take hours."""
    rows, figures = [], []
    async with running(server, prefix=ROOT / "samples") as service:
        for sample in (csv, parquet):
            _, measured = await service.job(sample.manifest, "duckdb")
            rows.append(Row.of(f"ours, engine duckdb: {sample.file_format} manifest, once", measured, REPORTS))
            figures.append(
                Figure.at_most(f"peak of the service in GB, {sample.file_format}", measured.peak / 1e9, 1.5, 1.2)
            )
    return Section.now("the duckdb engine with its default memory limit", rows, figures)


async def _from_manifests(service: Service, csv: Sample, parquet: Sample) -> tuple[list[Row], list[Figure], Measured]:
    rows, figures, ours = [], [], {}
    for sample in (csv, parquet):
        name = sample.file_format
        measured = Measured.best([(await service.job(sample.manifest, "duckdb"))[1] for _ in range(REPEATS)])
        ours[name] = measured
        rows.append(Row.of(f"ours, engine duckdb: {name} manifest to reports", measured, REPORTS))
        try:
            script = await peers.duckdb_script(service.server, sample)
        except PeerFailed as failed:
            rows.append(Row.of_value(f"DuckDB script, {name}", f"failed: {failed}"))
            continue
        rows.append(Row.of(f"DuckDB script, {name}", script, "differences, in DuckDB"))
        figures.append(Figure.at_least(f"against the DuckDB script, {name}", script.seconds / measured.seconds, 1, 1.3))
        figures.append(Figure.at_most(f"peak memory over the script's, {name}", measured.peak / script.peak, 0.5, 0.25))
    return rows, figures, ours["csv"]


def of_key_lists(csv: Sample) -> Section:
    """Measure what compares lists of keys; the lists are there already, and only keys are compared."""
    catalog, inventory = key_lists(csv)
    rows = []
    for name, compare in (("rucio-consistency, rce_cmp3", peers.rucio), ("sort and comm", peers.sort_and_comm)):
        try:
            rows.append(Row.of(name, compare(catalog, inventory), "keys in one list only"))
        except PeerFailed as failed:
            rows.append(Row.of_value(name, f"failed: {failed}"))
    return Section.now("lists of keys", rows, [])
