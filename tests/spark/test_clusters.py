"""Clusters that are away, stuck, interrupted or lose a worker, and more differences than fit into memory."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from app.catalog.load import load_catalog
from app.compare import spark as engine_module
from app.compare import spark_cluster
from app.compare.spark_faults import SparkUnavailable
from app.db.engine import Database
from app.errors import EngineUnavailable
from app.samples.expected import Expected
from app.samples.generate import generate
from tests.inventory.building import Row, data_file
from tests.spark.processes import Spark, Started, free_port, require_servers, spark_in
from tests.spark.runs import engine_for, publish_by, settings_for
from tests.spark.test_bad_inventories import listed_in
from tests.support.archive import published

pytestmark = pytest.mark.filterwarnings(r"ignore:\[RETRIES_EXCEEDED\]")


async def generated(database: Database, folder: Path, files: int) -> tuple[Path, Expected]:
    expected = await asyncio.to_thread(generate, files, folder / "sample", 1, "parquet", data_files=8)
    await load_catalog(database, folder / "sample" / "catalog.csv")
    return folder / "sample" / "inventory" / "manifest.json", expected


async def test_a_cluster_that_is_away(database: Database, tmp_path: Path) -> None:
    manifest = listed_in(tmp_path, "CSV", [data_file("CSV", [Row("a")])])
    settings = settings_for(tmp_path)
    engine = await engine_for(database, f"sc://127.0.0.1:{free_port()}", settings, manifest)
    started = time.monotonic()
    with pytest.raises(SparkUnavailable, match="does not answer"):
        await publish_by(engine, database, settings, manifest)
    assert time.monotonic() - started < 30


async def test_a_cluster_that_takes_the_connection_and_says_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_cluster, "ANSWER_S", 2.0)
    monkeypatch.setattr(spark_cluster, "LET_GO_S", 1.0)
    manifest = listed_in(tmp_path, "CSV", [data_file("CSV", [Row("a")])])
    settings = settings_for(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = await engine_for(database, f"sc://127.0.0.1:{silent.getsockname()[1]}", settings, manifest)
        started = time.monotonic()
        with pytest.raises(SparkUnavailable, match=r"no progress|does not answer"):
            await publish_by(engine, database, settings, manifest)
    assert time.monotonic() - started < 30


async def test_a_socket_that_no_cluster_reaches(database: Database, tmp_path: Path) -> None:
    manifest = listed_in(tmp_path, "CSV", [data_file("CSV", [Row("a")])])
    settings = settings_for(tmp_path)
    engine = await engine_for(database, "sc://127.0.0.1:1", settings, manifest)
    engine._url = "postgresql://postgres@/postgres?host=/run/postgresql"
    with pytest.raises(EngineUnavailable, match="TCP"):
        await publish_by(engine, database, settings, manifest)


async def test_a_cancellation_stops_the_cluster_too(database: Database, remote: str, tmp_path: Path) -> None:
    manifest, _ = await generated(database, tmp_path, 40_000)
    settings = settings_for(tmp_path)
    seen: list[tuple[str, int, int | None, str]] = []
    engine = await engine_for(database, remote, settings, manifest)
    work = asyncio.create_task(
        publish_by(engine, database, settings, manifest, lambda *progress: seen.append(progress))
    )
    while not any(phase == "comparing" for phase, *_ in seen):
        await asyncio.sleep(0.05)
        assert not work.done()
    work.cancel()
    started = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert time.monotonic() - started < 10
    assert all(unit == "tasks" and total for _, _, total, unit in seen)


async def test_a_whole_bucket_is_missing(
    database: Database, remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "SLICE_BYTES", 1 << 20)
    largest = 0
    slice_of = engine_module._slice

    def measured(*arguments: object) -> object:
        nonlocal largest
        table = slice_of(*arguments)  # type: ignore[arg-type]  # they are passed on as they came
        largest = max(largest, table.nbytes)
        return table

    monkeypatch.setattr(engine_module, "_slice", measured)
    await generated(database, tmp_path, 5_000)
    settings = settings_for(tmp_path)
    manifest = listed_in(tmp_path, "CSV", [data_file("CSV", [Row(f"orphan {number}") for number in range(10_000)])])
    engine = await engine_for(database, remote, settings, manifest)
    job_id, counted = await publish_by(engine, database, settings, manifest)
    findings = await published(database, job_id)
    assert len(findings.orphans) == counted.inventory_objects == 10_000
    assert len(findings.phantoms) == counted.catalog_files
    assert largest < 2 << 20


def test_slices_cover_every_part_once() -> None:
    parts = [{"part": number, "size_in_bytes": size << 20} for number, size in enumerate([1, 30, 5, 100, 1, 1])]
    cut = list(engine_module.slices(parts))
    assert [(one.first, one.last, one.of) for one in cut] == [(0, 1, 1), (2, 2, 1), *[(3, 3, 4)] * 4, (4, 5, 1)]
    assert {one.number for one in cut if one.of > 1} == {0, 1, 2, 3}


async def test_a_worker_that_is_killed_during_the_run(database: Database, tmp_path: Path) -> None:
    require_servers()
    manifest, expected = await generated(database, tmp_path, 40_000)
    settings = settings_for(tmp_path)
    with spark_in(tmp_path / "spark") as spark:
        remote, workers = _standalone(spark)
        killed: list[int] = []

        def kill_one(phase: str, done: int, total: int | None, unit: str) -> None:
            del total, unit
            if phase == "comparing" and done >= 3 and not killed:
                killed.append(workers[0].pid)
                workers[0].stop()

        engine = await engine_for(database, remote, settings, manifest, parts=4)
        job_id, counted = await publish_by(engine, database, settings, manifest, kill_one)
    assert killed
    findings = await published(database, job_id)
    assert findings.phantoms == set(expected.phantoms)
    assert findings.orphans == set(expected.orphans)
    assert findings.mismatches == dict(expected.mismatches)
    assert counted.catalog_files == 40_000


def _standalone(spark: Spark) -> tuple[str, list[Started]]:
    """Start a master, two workers and the server, each a process of its own; a worker's executor dies with it."""
    port = free_port()
    deploy = "org.apache.spark.deploy"
    here = ("--host", "127.0.0.1", "--webui-port", "0")
    master = spark.start("spark-class", f"{deploy}.master.Master", *here, "--port", str(port))
    spark.wait_for(port, master)
    url = f"spark://127.0.0.1:{port}"
    workers = [
        spark.start("spark-class", f"{deploy}.worker.Worker", *here, "--cores", "1", "--memory", "1g", url)
        for _ in "12"
    ]
    return spark.connect(url, "spark.executor.memory=640m"), workers
