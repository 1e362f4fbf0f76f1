"""What the README says is so: its commands run, its settings and targets are the ones there are."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import httpx

from app.settings import Settings
from tests.support.postgres import Server
from tests.support.programs import need
from tests.support.service import PATIENCE_S, command, serving

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS_ALONE = {"RECONCILE_URL", "RECONCILE_TOKEN"}


def console_lines() -> list[str]:
    """Read the commands of the README's console blocks, continued lines put together."""
    blocks = "\n".join(re.findall(r"```console\n(.*?)```", README, re.DOTALL)).replace("\\\n", " ")
    return [line[2:] for line in blocks.splitlines() if line.startswith("$ ")]


def test_every_make_target_that_is_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {line.removeprefix("make ") for line in console_lines() if line.startswith("make ")}
    assert named
    assert named <= targets


def test_every_setting_is_described() -> None:
    described = set(re.findall(r"`(RECONCILE_[A-Z_]+)`", README))
    there = {f"RECONCILE_{name.upper()}" for name in Settings.model_fields}
    assert described - COMMANDS_ALONE == there


def test_every_command_is_described() -> None:
    described = set(re.findall(r"^\| `orca-reconcile ([a-z]+)", README, re.MULTILINE))
    there = set(re.findall(r"│ ([a-z]+) ", command("--help").stdout))
    assert described == there


async def test_the_session_with_curl_works(server: Server, tmp_path: Path) -> None:
    need("curl")
    command("generate", "--files", "2000", "--out", str(tmp_path / "archive"))
    manifest = (tmp_path / "archive" / "inventory" / "manifest.json").as_uri()
    async with server.fresh() as name:
        environment = {"RECONCILE_DATABASE_URL": server.url(name), "RECONCILE_DATA_DIR": str(tmp_path)}
        command("catalog", "load", str(tmp_path / "archive" / "catalog.csv"), **environment)
        with serving(tmp_path / "log", **environment) as (client, _):
            address = f"{client.base_url.host}:{client.base_url.port}"
            for line in console_lines():
                if not line.startswith("curl"):
                    continue
                line_here = re.sub(r"s3://[^\"]*manifest\.json", manifest, line.partition("#")[0])
                line_here = line_here.replace("localhost:8000", address).replace("curl ", "curl --fail-with-body ", 1)
                result = subprocess.run(
                    ["bash", "-c", line_here], check=False, capture_output=True, text=True, timeout=PATIENCE_S
                )
                assert result.returncode == 0, (line_here, result.stdout)
                wait_for_the_job(client)
                if "/events" not in line:
                    assert json.loads(result.stdout)


def wait_for_the_job(client: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (job := client.get("/jobs/1").json())["status"] not in {"success", "error"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert job["errorMessage"] is None
