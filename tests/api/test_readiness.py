"""The service while its database is away: it starts, it lives on, and it comes back by itself."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path

import httpx
import pytest

from app.db.engine import Database
from app.db.migrations import upgrade
from app.serving import GRACE_S
from tests.api.problem import problem_of
from tests.reports.published import add_job
from tests.support import service
from tests.support.cluster import cluster
from tests.support.service import PATIENCE_S, command, serving


def wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (answer := client.get("/readyz")).status_code != 200:
        problem_of(answer, 503, "database-unavailable")
        assert time.monotonic() < deadline
        time.sleep(0.2)


async def migrated(url: str) -> None:
    database = Database.at(url)
    await upgrade(database)
    await database.dispose()


def test_it_starts_without_its_database_and_survives_its_loss(tmp_path: Path) -> None:
    with cluster() as server:
        server.stop()
        environment = {"RECONCILE_DATABASE_URL": server.url(), "RECONCILE_DATA_DIR": str(tmp_path)}
        with serving(tmp_path / "log", **environment) as (client, process):
            problem_of(client.get("/readyz"), 503, "database-unavailable")
            server.start()
            not_migrated = problem_of(client.get("/readyz"), 503, "database-unavailable")
            assert "orca-reconcile migrate" in not_migrated["detail"]
            asyncio.run(migrated(server.url()))
            wait_until_ready(client)
            assert client.get("/jobs").json()["jobs"] == []
            server.stop("immediate")
            for path in ("/readyz", "/jobs", "/metrics", "/reports/1/orphans"):
                problem_of(client.get(path), 503, "database-unavailable")
            assert client.get("/healthz").status_code == 200
            assert process.poll() is None
            server.start()
            wait_until_ready(client)
            assert client.get("/jobs").json()["jobs"] == []
            assert process.poll() is None
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    failed = [line for line in lines if line["event"] == "request failed"]
    assert failed
    assert all(line["request_id"] and line["level"] == "warning" for line in failed), "expected, and no defect"


def test_a_database_that_can_only_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    with cluster() as server:
        asyncio.run(migrated(server.url()))
        environment = {"RECONCILE_DATABASE_URL": server.url(), "RECONCILE_DATA_DIR": str(tmp_path)}

        def is_said(name: str) -> None:
            with serving(tmp_path / "log", **environment) as (client, _):
                for answer in (client.get("/readyz"), client.post("/jobs/1/cancel"), client.delete("/jobs/1")):
                    assert name in problem_of(answer, 503, "database-unavailable")["detail"]
            assert '"exception"' not in (tmp_path / "log").read_text()

        asyncio.run(server.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"))
        is_said("default_transaction_read_only")
        asyncio.run(server.execute("ALTER SYSTEM RESET default_transaction_read_only"))
        server.stop()
        (server.folder / "data" / "standby.signal").touch()
        server.start()
        is_said("standby")


async def test_whoever_follows_a_job_does_not_hold_up_the_stop(database: Database, tmp_path: Path) -> None:
    job = await add_job(database, status=1)
    environment = {
        "RECONCILE_DATABASE_URL": database.url,
        "RECONCILE_DATA_DIR": str(tmp_path),
        "RECONCILE_RETENTION_DAYS": "100000",  # the job is of 2024
    }
    with serving(tmp_path / "log", **environment) as (client, process):
        with client.stream("GET", f"/jobs/{job}/events") as following:
            lines = following.iter_lines()
            while not next(lines).startswith("data"):
                pass
            told = time.monotonic()
            process.terminate()
            assert list(lines)[-1] == ""
        assert process.wait(10) == 0
        assert time.monotonic() - told < GRACE_S - 1
    assert [line for line in (tmp_path / "log").read_text().splitlines() if '"error"' in line] == []


@pytest.mark.parametrize("asked", [("serve", "--port"), ("work", "--metrics-port")])
def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path, asked: tuple[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = command(*asked, str(port), RECONCILE_DATA_DIR=str(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr.strip().endswith(f"Port {port} of 127.0.0.1 cannot be listened on: Address already in use.")


def test_beyond_loopback_it_does_not_start_for_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PATIENCE_S", 20)
    nowhere = {"RECONCILE_DATABASE_URL": "postgresql://127.0.0.1:1/", "RECONCILE_DATA_DIR": str(tmp_path)}
    refused = command("serve", "--host", "0.0.0.0", "--port", "0", **nowhere)  # noqa: S104
    assert refused.returncode == 2
    assert "RECONCILE_API_TOKENS or RECONCILE_OIDC_ISSUER" in refused.stderr
    half = command("serve", "--port", "0", RECONCILE_OIDC_ISSUER="https://issuer.example", **nowhere)
    assert half.returncode == 2
    assert "OIDC_AUDIENCE" in half.stderr
