"""What the log of the real service says: a JSON object a line, with whose line it is."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from pathlib import Path

from tests.support.manifests import row, write
from tests.support.postgres import Server
from tests.support.service import ended, serving


async def test_lines_name_their_request_their_job_and_their_attempt(server: Server, tmp_path: Path) -> None:
    good, bad = write(tmp_path, [row("a")]), write(tmp_path, [row("a", Size="many")], created=1_715_130_000_000)
    token = {"name": "operator", "sha256": hashlib.sha256(b"word").hexdigest(), "scopes": ["read", "write"]}
    async with server.fresh() as name:
        environment = {
            "RECONCILE_DATABASE_URL": server.url(name),
            "RECONCILE_DATA_DIR": str(tmp_path),
            "RECONCILE_API_TOKENS": json.dumps([token]),
        }
        with serving(tmp_path / "log", **environment) as (client, process):
            client.headers["Authorization"] = "Bearer word"
            jobs = []
            for number, manifest in enumerate((good, bad)):
                answer = client.post(
                    "/jobs", json={"manifestUrl": manifest}, headers={"X-Request-ID": f"mine-{number}"}
                )
                assert answer.headers["X-Request-ID"] == f"mine-{number}"
                jobs.append(ended(client, answer.json()))
            os.kill(process.pid, signal.SIGTERM)
            process.wait(10)
    assert [job["status"] for job in jobs] == ["success", "error"]

    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert all(line["timestamp"] and line["level"] and line["event"] for line in lines)
    writes = [line for line in lines if line["event"] == "write"]
    assert [(line["request_id"], line["who"], line["method"], line["path"]) for line in writes] == [
        ("mine-0", "operator", "POST", "/jobs"),
        ("mine-1", "operator", "POST", "/jobs"),
    ]
    runs = [line for line in lines if "run_id" in line]
    assert [(line["event"], line["job_id"], line["run_id"], line["attempt"]) for line in runs] == [
        ("run started", jobs[0]["id"], 1, 1),
        ("run succeeded", jobs[0]["id"], 1, 1),
        ("run started", jobs[1]["id"], 2, 1),
        ("run failed", jobs[1]["id"], 2, 1),
    ]
    assert not any("request_id" in line for line in runs), "a run is nobody's request"
    assert runs[-1]["reason"] == jobs[1]["errorMessage"]
