"""Traces, as a real collector gets them from the real service, and the service where there is no collector."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.collector import attributes, collecting
from tests.support.manifests import row, write
from tests.support.postgres import Server
from tests.support.service import COMMAND, command, ended, serving

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
PHASES = {
    "duckdb": ["fetching", "comparing", "publishing"],
    "postgres": ["fetching", "staging", "comparing", "publishing"],
}


def where(server: Server, name: str, folder: Path, collector: str) -> dict[str, str]:
    return {
        "RECONCILE_DATABASE_URL": server.url(name),
        "RECONCILE_DATA_DIR": str(folder),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        # Nothing is sent before the process ends: what the collector has, the flush at the end has sent.
        "OTEL_BSP_SCHEDULE_DELAY": "600000",
    }


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
async def test_requests_and_runs_are_traced(server: Server, tmp_path: Path, engine: str) -> None:
    manifest = write(tmp_path, [row("a")])
    async with server.fresh() as name:
        with collecting() as collector:
            with serving(tmp_path / "log", **where(server, name, tmp_path, collector.url)) as (client, process):
                headers = {"X-Request-ID": "mine", "traceparent": f"00-{TRACE}-{CALLER}-01"}
                answer = client.post("/jobs", json={"manifestUrl": manifest, "engine": engine}, headers=headers)
                job = ended(client, answer.json())
                assert job["status"] == "success"
                assert client.get("/reports/999/orphans?limit=1").status_code == 404
                os.kill(process.pid, signal.SIGTERM)
                process.wait(10)
            assert collector.services == {"orca-reconcile"}

            (submitted,) = collector.named("POST /jobs")
            assert (submitted.trace_id.hex(), submitted.parent_span_id.hex()) == (TRACE, CALLER)
            assert submitted.kind == Span.SPAN_KIND_SERVER
            said = attributes(submitted.attributes)
            assert (said["http.route"], said["http.response.status_code"]) == ("/jobs", 202)
            assert said["orca_reconcile.request_id"] == "mine"
            (missed,) = collector.named("GET /reports/{id}/orphans")
            assert attributes(missed.attributes)["http.response.status_code"] == 404

            (run,) = collector.named("run")
            assert attributes(run.attributes) == {
                "orca_reconcile.job_id": job["id"],
                "orca_reconcile.run_id": 1,
                "orca_reconcile.attempt": 1,
                "orca_reconcile.engine": engine,
                "orca_reconcile.archive_location": "orca-archive",
                "orca_reconcile.end": "succeeded",
            }
            children = [span for span in collector.spans if span.parent_span_id == run.span_id]
            children.sort(key=lambda span: span.start_time_unix_nano)
            assert [span.name for span in children] == PHASES[engine]
            assert {span.trace_id for span in children} == {run.trace_id}
            assert run.start_time_unix_nano <= children[0].start_time_unix_nano
            assert children[-1].end_time_unix_nano <= run.end_time_unix_nano


async def test_a_run_that_fails_says_why(server: Server, tmp_path: Path) -> None:
    manifest = write(tmp_path, [row("a", Size="many")])
    async with server.fresh() as name:
        with collecting() as collector:
            environment = {**where(server, name, tmp_path, collector.url), "OTEL_SERVICE_NAME": "archive"}
            with serving(tmp_path / "log", **environment) as (client, _):
                job = ended(client, client.post("/jobs", json={"manifestUrl": manifest}).json())
            (run,) = collector.named("run")
            assert job["status"] == "error"
            assert (run.status.code, run.status.message) == (Status.STATUS_CODE_ERROR, job["errorMessage"])
            assert collector.services == {"archive"}


async def test_the_worker_without_http_traces_its_runs(server: Server, tmp_path: Path) -> None:
    manifest = tmp_path / write(tmp_path, [row("a")]).removeprefix("file://")
    async with server.fresh() as name:
        with collecting() as collector:
            environment = where(server, name, tmp_path, collector.url)
            assert command("reconcile", str(manifest), "--no-follow", **environment).returncode == 0
            process = subprocess.Popen(
                [*COMMAND, "work"], stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
            )
            assert process.stderr is not None
            with process.stderr:
                assert any("run succeeded" in line for line in process.stderr)
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0
            (run,) = collector.named("run")
            assert attributes(run.attributes)["orca_reconcile.end"] == "succeeded"
            assert {span.name for span in collector.spans} == {"run", *PHASES["duckdb"]}


@pytest.fixture(params=["closed", "silent"])
def away(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the address of a collector that is not there, or that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "silent":
            listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_collector_that_is_away_holds_nobody_up(server: Server, tmp_path: Path, away: str) -> None:
    manifest = write(tmp_path, [row("a")])
    async with server.fresh() as name:
        # Sent at once and in small batches, so that the sender is stuck from the first span on.
        eager = {"OTEL_BSP_SCHEDULE_DELAY": "10", "OTEL_BSP_MAX_QUEUE_SIZE": "8", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4"}
        environment = {**where(server, name, tmp_path, away), **eager}
        with serving(tmp_path / "log", **environment) as (client, process):
            job = ended(client, client.post("/jobs", json={"manifestUrl": manifest}).json())
            assert job["status"] == "success"
            began = time.monotonic()
            for _ in range(100):
                assert client.get("/healthz").status_code == 200
            assert time.monotonic() - began < 9, "less than one attempt to send takes"
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(9) in {0, -signal.SIGTERM}


WITHOUT = """
import sys
{before}
import app.main
from app import logs, tracing
logs.configure()
with tracing.exporting():
    pass
assert not [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))
            and sys.modules[name]], "it was imported"
"""


@pytest.mark.parametrize(
    ("before", "environment", "said"),
    [
        pytest.param("", {}, "", id="no endpoint"),
        pytest.param("", {"OTEL_SDK_DISABLED": "true"}, "", id="disabled"),
        pytest.param("", {"OTEL_TRACES_EXPORTER": "none"}, "", id="no exporter"),
        pytest.param("", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "not grpc", id="another protocol"),
        pytest.param(
            "sys.modules['opentelemetry.exporter'] = None",
            {"OTEL_TRACES_EXPORTER": "otlp"},
            "orca-reconcile[otel]",
            id="no extra",
        ),
    ],
)
def test_without_a_collector_or_the_extra_nothing_is_imported(
    before: str, environment: dict[str, str], said: str
) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"} if environment else {}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(before=before)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **endpoint, **environment},
    )
    assert done.returncode == 0, done.stderr
    assert (said in done.stderr) if said else not done.stderr
