"""Jobs of engine spark as they reach it: over HTTP and from the queue, past failures, until they are cancelled."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pyspark.sql import DataFrame
from pyspark.sql.connect import functions as F  # noqa: N812  (as Spark's documentation has it)
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.session import SparkSession

from app.compare import spark as engine_module
from app.compare import spark_cluster
from app.compare.spark_inventory import ClusterInventory
from app.db.engine import Database
from app.jobs.requests import cancel, submit
from tests.inventory.building import Row, data_file
from tests.spark.runs import queued, run, run_once, settings_for, until, working
from tests.spark.samples import generated, is_right, listed_in
from tests.spark.wire import Wire, silent
from tests.support.service import serving
from tests.support.spark import free_port
from tests.support.spark_session import Servers

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings(r"ignore:\[RETRIES_EXCEEDED\]")]


async def test_a_large_inventory_goes_to_the_cluster_by_itself(on_tcp: Database, remote: str, tmp_path: Path) -> None:
    manifest, expected = await generated(on_tcp, tmp_path, 3_000)
    environment = {
        "RECONCILE_DATABASE_URL": on_tcp.url,
        "RECONCILE_DATA_DIR": str(tmp_path),
        "RECONCILE_SPARK_REMOTE": remote,
        "RECONCILE_SPARK_THRESHOLD_BYTES": "100000",
    }
    with serving(tmp_path / "log", **environment) as (client, _):
        job = client.post("/jobs", json={"manifestUrl": manifest.as_uri()}).raise_for_status().json()
        assert job["engine"] == "spark"
        async with asyncio.timeout(150):
            while job["status"] not in {"success", "error"}:
                await asyncio.sleep(0.1)
                job = await asyncio.to_thread(_job, client, job["id"])
        assert (job["status"], job["errorMessage"]) == ("success", None)
        assert job["reportTotals"] == dict(expected.totals)
        assert job["catalogFiles"] == 3_000
    await is_right(on_tcp, job["id"], expected)


def _job(client: httpx.Client, job_id: int) -> dict[str, object]:
    answer: dict[str, object] = client.get(f"/jobs/{job_id}").raise_for_status().json()
    return answer


async def test_a_small_inventory_stays_on_this_machine(on_tcp: Database, remote: str, tmp_path: Path) -> None:
    manifest = listed_in(tmp_path, "CSV", [data_file("CSV", [Row("a")])])
    job, _ = await submit(on_tcp, settings_for(tmp_path, remote), manifest_url=manifest.as_uri())
    assert job.engine == "duckdb"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a cluster a second to answer, and the same again to let go, and knock twice."""
    monkeypatch.setattr(spark_cluster, "OPENING", DefaultPolicy(max_retries=1, max_backoff=100))
    monkeypatch.setattr(spark_cluster, "ANSWER_S", 1.0)
    monkeypatch.setattr(spark_cluster, "LET_GO_S", 1.0)


@pytest.mark.usefixtures("impatient")
async def test_a_cluster_that_is_away_is_tried_again_until_the_job_says_so(on_tcp: Database, tmp_path: Path) -> None:
    manifest = listed_in(tmp_path, "CSV", [data_file("CSV", [Row("a")])])
    started = time.monotonic()
    job = await run(on_tcp, settings_for(tmp_path, f"sc://127.0.0.1:{free_port()}"), manifest)
    assert time.monotonic() - started < 30
    assert (job.status, job.attempt) == ("error", 4)
    said = "The Spark cluster does not answer: RECONCILE_SPARK_REMOTE says where it should be."
    assert job.error_message == said


@pytest.mark.usefixtures("impatient")
async def test_a_cluster_that_says_nothing_is_not_waited_for(on_tcp: Database, tmp_path: Path) -> None:
    manifest = listed_in(tmp_path, "CSV", [data_file("CSV", [Row("a")])])
    with silent() as port:
        started = time.monotonic()
        job = await run_once(on_tcp, settings_for(tmp_path, f"sc://127.0.0.1:{port}"), manifest)
    assert time.monotonic() - started < 15
    assert (job.status, job.attempt) == ("error", 1)
    said = r"The Spark cluster (does not answer|made no progress for 1 s while connecting)"
    assert re.match(said, job.error_message or "")


@pytest.mark.usefixtures("impatient")
async def test_a_cluster_that_comes_back_is_used(on_tcp: Database, remote: str, tmp_path: Path) -> None:
    manifest, expected = await generated(on_tcp, tmp_path, 2_000)
    wire = Wire(remote)
    settings = settings_for(tmp_path, wire.remote)
    job = await queued(on_tcp, settings, manifest)
    async with working(on_tcp, settings):
        job = await until(on_tcp, job, lambda now: (now.attempt or 0) >= 2)
        async with wire:
            job = await until(on_tcp, job, lambda now: now.ended)
    assert (job.status, job.error_message) == ("success", None)
    await is_right(on_tcp, job.id, expected)


async def test_a_cancelled_job_stops_on_the_cluster_too(
    on_tcp: Database, servers: Servers, remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = uuid4()
    monkeypatch.setattr(engine_module, "uuid4", lambda: only)
    in_s3 = engine_module._in_s3

    def slowly(spark: SparkSession, inventory: ClusterInventory) -> DataFrame:
        """Take some 20 s, or a warm cluster is done before anybody can cancel; a task looks up every 4,096 rows."""
        return in_s3(spark, inventory).where(F.sha2(F.repeat("key_path", F.lit(2_000)), 512) != "")

    monkeypatch.setattr(engine_module, "_in_s3", slowly)

    async def works(*, wanted: bool, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while await asyncio.to_thread(servers.works_on, only.hex) != wanted:
                await asyncio.sleep(0.05)

    manifest, _ = await generated(on_tcp, tmp_path, 100_000)
    settings = settings_for(tmp_path, remote)
    await works(wanted=False, seconds=30)  # which also has Spark load what answers
    job = await queued(on_tcp, settings, manifest)
    async with working(on_tcp, settings):
        job = await until(on_tcp, job, lambda now: now.progress is not None and now.progress.phase == "comparing")
        assert job.progress
        assert job.progress.unit == "tasks"
        assert job.progress.total
        await works(wanted=True, seconds=20)
        await cancel(on_tcp, job.id)
        job = await until(on_tcp, job, lambda now: now.ended, seconds=4)
        await works(wanted=False, seconds=4)
    assert (job.status, job.error_message) == ("error", "cancelled")


async def test_a_database_that_no_cluster_reaches(database: Database, tmp_path: Path) -> None:
    manifest = listed_in(tmp_path, "CSV", [data_file("CSV", [Row("a")])])
    job = await run(database, settings_for(tmp_path, "sc://127.0.0.1:1"), manifest)
    assert (job.status, job.attempt) == ("error", 1)
    assert "TCP" in str(job.error_message)
