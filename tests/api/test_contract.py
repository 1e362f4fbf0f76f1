"""The whole API as openapi.json describes it, against the service as it really runs, by schemathesis with all its checks."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

from app.db.engine import Database
from tests.support.archive import catalog_file, insert_catalog
from tests.support.manifests import row, write
from tests.support.postgres import Server
from tests.support.service import serving

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
TOKEN = "a-token-of-the-tests"  # noqa: S105  (its service is gone with the test)
HOOKS = Path(__file__).with_name("contract_hooks.py")
CASES = 2000
EXAMPLES = 100  # of each operation in each phase


def finished(client: httpx.Client, manifest: str) -> None:
    """Have a job of which all three reports say something."""
    job = client.post("/jobs", json={"manifestUrl": manifest, "engine": "postgres"}).json()
    while job["status"] not in {"success", "error"}:
        job = client.get(f"/jobs/{job['id']}").json()
    assert job["reportTotals"] == {"phantom": 1, "orphan": 1, "catalogMismatch": 1}, job


def hammer(client: httpx.Client, folder: Path) -> subprocess.CompletedProcess[str]:
    """Throw cases at every operation, one by one and in sequences of calls that lead to one another.

    What a schema allows may still be refused: for what the database holds, for what this service cannot do, and (400) for a
    cursor that was not given out or, under ORCA's paths, whatever is out of range.
    """
    allowed = '["2xx", "400", "401", "403", "404", "409", "422", "503"]'
    (folder / "schemathesis.toml").write_text(f"[checks]\npositive_data_acceptance.expected-statuses = {allowed}\n")
    return subprocess.run(
        [
            *(SCHEMATHESIS, "run", "--url", str(client.base_url), "--checks", "all", "--mode", "all"),
            *("--max-examples", str(EXAMPLES), "--workers", "2", "--seed", "1", "--suppress-health-check", "all"),
            *("--header", f"Authorization: Bearer {TOKEN}", "--continue-on-failure", "--no-color"),
            str(client.base_url.join("/openapi.json")),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
        timeout=300,
    )


async def test_no_case_is_answered_otherwise_than_the_document_says(server: Server, tmp_path: Path) -> None:
    async with server.fresh() as name:
        database = Database.at(server.url(name))
        await insert_catalog(database, [catalog_file("same"), catalog_file("phantom"), catalog_file("size", size=5)])
        await database.dispose()
        manifest = write(tmp_path, [row("same"), row("size"), row("orphan")])
        token = {"name": "tests", "sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "scopes": ["read", "write"]}
        environment = {
            "RECONCILE_DATABASE_URL": server.url(name),
            "RECONCILE_DATA_DIR": str(tmp_path / "data"),
            "RECONCILE_MANIFEST_PREFIXES": json.dumps([tmp_path.as_uri() + "/"]),
            "RECONCILE_API_TOKENS": json.dumps([token]),
        }
        with serving(tmp_path / "log", **environment) as (client, _):
            client.headers["Authorization"] = f"Bearer {TOKEN}"
            await asyncio.to_thread(finished, client, manifest)
            result = await asyncio.to_thread(hammer, client, tmp_path)
        assert result.returncode == 0, result.stdout[-20000:] + result.stderr[-2000:]
        generated = re.search(r"(\d[\d,]*) generated", result.stdout)
        assert generated, result.stdout[-2000:]
        assert int(generated[1].replace(",", "")) >= CASES, generated[0]
