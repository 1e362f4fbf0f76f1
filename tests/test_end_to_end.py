"""The whole way through the real commands and a real socket: generate, load, reconcile, read the reports."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.support.postgres import Server
from tests.support.service import command, ended, serving

FILES = 20_000


def whole_report(client: httpx.Client, job_id: int, kind: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    cursor = None
    while True:
        page = client.get(
            f"/reports/{job_id}/{kind}", params={"limit": 7, **({"cursor": cursor} if cursor else {})}
        ).json()
        assert page["jobId"] == job_id
        found += page[kind]
        cursor = page["nextCursor"]
        assert page["anotherPage"] == (cursor is not None)
        if cursor is None:
            return found


@pytest.mark.parametrize("engine", ["postgres", "duckdb"])
async def test_from_generated_files_to_the_expected_reports(server: Server, tmp_path: Path, engine: str) -> None:
    async with server.fresh() as name:
        environment = {"RECONCILE_DATABASE_URL": server.url(name), "RECONCILE_DATA_DIR": str(tmp_path)}
        command("generate", "--files", str(FILES), "--out", str(tmp_path / "archive"), "--seed", "7", "--format", "csv")
        command("catalog", "load", str(tmp_path / "archive" / "catalog.csv"), **environment)
        expected = json.loads((tmp_path / "archive" / "expected.json").read_text())
        manifest = (tmp_path / "archive" / "inventory" / "manifest.json").as_uri()
        prefixes = json.dumps([tmp_path.as_uri() + "/"])
        with serving(tmp_path / "log", RECONCILE_MANIFEST_PREFIXES=prefixes, **environment) as (client, process):
            answer = client.post("/jobs", json={"manifestUrl": manifest, "engine": engine})
            assert (answer.status_code, answer.headers["Location"]) == (202, f"/jobs/{answer.json()['id']}")
            job = ended(client, answer.json())
            assert (job["status"], job["errorMessage"], job["engine"]) == ("success", None, engine)
            assert job["reportTotals"] == expected["totals"]
            job_id = answer.json()["id"]
            phantoms, orphans, mismatches = (
                whole_report(client, job_id, kind) for kind in ("phantoms", "orphans", "mismatches")
            )
            assert sorted(str(item["keyPath"]) for item in orphans) == sorted(expected["orphans"])
            assert sorted(str(item["keyPath"]) for item in phantoms) == sorted(expected["phantoms"])
            assert {item["keyPath"]: item["discrepancyType"] for item in mismatches} == expected["mismatches"]
            assert client.post("/jobs", json={"manifestUrl": manifest}).status_code == 200
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(10) == 0
        printed = command("report", str(job_id), "mismatches", "--json", "--limit", "100000", **environment).stdout
        assert len(printed.splitlines()) == expected["totals"]["catalogMismatch"]
        totals = command("reconcile", str(tmp_path / "archive" / "inventory" / "manifest.json"), **environment).stdout
        assert "phantoms (in the catalog, not in S3)" in totals


def test_a_command_that_fails_says_why_in_a_sentence(tmp_path: Path) -> None:
    result = command("reconcile", str(tmp_path / "manifest.json"), RECONCILE_DATA_DIR=str(tmp_path / "data"))
    assert result.returncode == 2
    assert "no manifest" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    result = command("migrate", RECONCILE_GRACE_HOURS="soon", RECONCILE_DATA_DIR=str(tmp_path))
    assert result.returncode == 2
    assert "RECONCILE_GRACE_HOURS" in result.stderr
    assert "Traceback" not in result.stderr


def test_strangers_are_not_let_in_without_tokens(tmp_path: Path) -> None:
    result = command("serve", "--host", "0.0.0.0", RECONCILE_DATA_DIR=str(tmp_path))  # noqa: S104
    assert result.returncode == 2
    assert "RECONCILE_API_TOKENS" in result.stderr


def test_the_embedded_postgresql_stops_with_the_service(tmp_path: Path) -> None:
    """As a supervisor stops it, that is by SIGTERM; Python ends in order after that only if it is made to."""
    with serving(tmp_path / "log", RECONCILE_DATA_DIR=str(tmp_path)) as (client, process):
        assert client.get("/readyz").status_code == 200
        assert (tmp_path / "postgres" / "postmaster.pid").exists()
        process.terminate()
        assert process.wait(20) == 0
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


def test_embedded_postgresql_ends_with_its_last_user_though_one_was_killed(tmp_path: Path) -> None:
    environment = {"RECONCILE_DATA_DIR": str(tmp_path)}
    with serving(tmp_path / "log", **environment) as (_, process):
        process.kill()
        process.wait()
    assert (tmp_path / "postgres" / "postmaster.pid").exists()
    assert command("jobs", **environment).returncode == 0
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()
