"""A cluster that loses a worker, or runs out of memory. The last file of its folder: executors are cold after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql.connect.session import SparkSession

from app.compare import spark as engine_module
from app.db.engine import Database
from tests.inventory.building import Row, data_file
from tests.spark.runs import lock_catalog_once_planned, queued, run_once, settings_for, until, working
from tests.spark.samples import generated, is_right, listed_in
from tests.support.spark_session import Servers

pytestmark = pytest.mark.spark


async def test_a_worker_that_is_killed_during_the_run(
    on_tcp: Database, servers: Servers, remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, expected = await generated(on_tcp, tmp_path, 100_000)
    settings = settings_for(tmp_path, remote)
    job = await queued(on_tcp, settings, manifest)
    async with working(on_tcp, settings):
        async with on_tcp.transaction() as connection:
            lock_catalog_once_planned(connection, monkeypatch)  # or a warm cluster is done before it is seen to work
            job = await until(
                on_tcp,
                job,
                lambda now: now.progress is not None and now.progress.phase == "comparing" and now.progress.done > 0,
            )
            servers.replace_a_worker()
        job = await until(on_tcp, job, lambda now: now.ended)
    assert (job.status, job.error_message, job.attempt) == ("success", None, 1)
    await is_right(on_tcp, job.id, expected)
    assert job.catalog_files == 100_000


async def test_a_cluster_that_runs_out_of_memory(
    on_tcp: Database, remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*arguments: Any) -> None:
        spark: SparkSession = arguments[-1]
        spark.sql("SELECT collect_list(repeat('x', 1000)) FROM range(0, 3000000, 1, 1)").toArrow()

    monkeypatch.setattr(engine_module, "_compare", greedy)
    manifest = listed_in(tmp_path, "CSV", [data_file("CSV", [Row("a")])])
    job = await run_once(on_tcp, settings_for(tmp_path, remote), manifest)
    assert job.status == "error"
    said = "The Spark cluster ran out of memory: give its executors more, or more of them (docs/scale.md)."
    assert job.error_message == said
