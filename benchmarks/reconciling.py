"""From an inventory to its reports: ours, ORCA's way and the DuckDB script, one after the other on the same data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

from benchmarks import orca_way, peers
from benchmarks.cache import ROOT, Sample, decoded_csv, key_lists
from benchmarks.measure import Measured, PeerFailed
from benchmarks.results import Figure, Row, Section
from benchmarks.rounds import Way, in_rounds
from benchmarks.server import Server
from benchmarks.service import Service, running

REPORTS = "three reports and summary"
WORK_MEM = "256MB"
"""What our engine gives itself for the length of its transaction."""

ORCA_STAGING = "ORCA's way: CSV to keyed partition"
ORCA_JOINS = "ORCA's way: three joins"
ORCA_JOINS_WITH_MEMORY = f"the same with work_mem = {WORK_MEM}"
STAGED = {engine: f"ours, engine {engine}: the same staged rows" for engine in ("postgres", "duckdb")}
STAGING = "ours, engine postgres: CSV manifest to keyed partition"
FROM_MANIFEST = {name: f"ours, engine duckdb: {name} manifest to reports" for name in ("csv", "parquet")}
SCRIPT = {name: f"DuckDB script, {name}" for name in ("csv", "parquet")}


async def with_peers(server: Server, csv: Sample, parquet: Sample) -> Section:
    """Measure everything that ends in reports or differences, from a manifest and from staged rows."""
    job = await orca_way.new_job(server)
    decoded = decoded_csv(csv)

    async def joins(work_mem: str) -> Measured:
        measured = await orca_way.reconcile(server, job, work_mem=work_mem)
        await _require_expected(server, job, csv)
        return measured

    async def staged(engine: str) -> Measured:
        measured = await service.reconcile(job, engine)
        await _require_expected(server, job, csv)
        return measured

    async def staging() -> Measured:
        return (await service.job(csv.manifest, "postgres", reconcile=False))[1]

    async with running(server, prefix=ROOT / "samples") as service:
        rows, measured = await in_rounds(
            [
                Way(ORCA_STAGING, "staged rows", lambda: orca_way.stage(server, job, decoded)),
                Way(ORCA_JOINS, "three reports", lambda: joins("4MB")),
                Way(ORCA_JOINS_WITH_MEMORY, "three reports", lambda: joins(WORK_MEM)),
                Way(STAGED["postgres"], REPORTS, lambda: staged("postgres")),
                Way(STAGED["duckdb"], REPORTS, lambda: staged("duckdb")),
                Way(STAGING, "staged rows", staging),
                *_from_manifests(service, csv, parquet),
            ]
        )
    seconds = {name: way.seconds for name, way in measured.items()}
    orca = seconds[ORCA_STAGING] + seconds[ORCA_JOINS]
    against = {"three joins": ORCA_JOINS, f"joins with {WORK_MEM}": ORCA_JOINS_WITH_MEMORY}
    figures = [
        *(
            Figure.at_least(f"staged reconcile by {engine}, against {name}", seconds[theirs] / seconds[ours], 4, 6)
            for engine, ours in STAGED.items()
            for name, theirs in against.items()
        ),
        Figure.at_least("staging, against ORCA's way", seconds[ORCA_STAGING] / seconds[STAGING], 1, 2),
        Figure.at_least(
            "manifest (CSV) to published reports, against ORCA's way", orca / seconds[FROM_MANIFEST["csv"]], 8, 12
        ),
        *_against_the_script(measured),
    ]
    return Section.now("from an inventory to its reports", rows, figures)


async def from_manifests(server: Server, csv: Sample, parquet: Sample) -> Section:
    """Measure the duckdb engine and the DuckDB script alone."""
    async with running(server, prefix=ROOT / "samples") as service:
        rows, measured = await in_rounds(_from_manifests(service, csv, parquet))
    return Section.now("from a manifest to its reports", rows, _against_the_script(measured))


async def alone(server: Server, csv: Sample, parquet: Sample) -> Section:
    """Measure the duckdb engine once, for sizes at which peers would take hours."""
    rows, figures = [], []
    async with running(server, prefix=ROOT / "samples") as service:
        for sample in (csv, parquet):
            measured = await from_manifest(service, sample)
            rows.append(Row.of(f"ours, engine duckdb: {sample.file_format} manifest, once", measured, REPORTS))
            figures.append(
                Figure.at_most(f"peak of the service in GB, {sample.file_format}", measured.peak / 1e9, 1.5, 1.2)
            )
    return Section.now("the duckdb engine with its default memory limit", rows, figures)


async def _require_expected(server: Server, job: int, sample: Sample) -> None:
    """See that a job found what was generated: else what was measured is something else."""
    totals = json.loads((sample.folder / "expected.json").read_bytes())["totals"]
    expected = {"phantom": totals["phantom"], "orphan": totals["orphan"], "catalog_mismatch": totals["catalogMismatch"]}
    found = await orca_way.found(server, job)
    assert found == expected, f"{found} was found, and not {expected}"


async def from_manifest(service: Service, sample: Sample) -> Measured:
    """Have a manifest reconciled by the duckdb engine, and see that it found what was generated."""
    job, measured = await service.job(sample.manifest, "duckdb")
    await _require_expected(service.server, job, sample)
    return measured


def _from_manifests(service: Service, csv: Sample, parquet: Sample) -> list[Way]:
    return [
        way
        for sample in (csv, parquet)
        for way in (
            Way(FROM_MANIFEST[sample.file_format], REPORTS, partial(from_manifest, service, sample)),
            Way(
                SCRIPT[sample.file_format],
                "differences, in DuckDB",
                partial(peers.duckdb_script, service.server, sample),
            ),
        )
    ]


def _against_the_script(measured: Mapping[str, Measured]) -> list[Figure]:
    figures = []
    for name, script_name in SCRIPT.items():
        ours, script = measured[FROM_MANIFEST[name]], measured.get(script_name)
        if script is not None:
            figures += [
                Figure.at_least(f"against the DuckDB script, {name}", script.seconds / ours.seconds, 1, 1.3),
                Figure.at_most(f"peak memory over the script's, {name}", ours.peak / script.peak, 0.5, 0.25),
            ]
    return figures


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
