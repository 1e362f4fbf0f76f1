"""`orca-reconcile work`: a runner without HTTP, but for its metrics where they are asked for."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from pathlib import Path

import httpx

from tests.support.manifests import row, write
from tests.support.postgres import Server
from tests.support.service import COMMAND, command


async def test_it_says_what_it_did_to_prometheus(server: Server, tmp_path: Path) -> None:
    manifest = tmp_path / write(tmp_path, [row("a")]).removeprefix("file://")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with server.fresh() as name:
        environment = {"RECONCILE_DATABASE_URL": server.url(name), "RECONCILE_DATA_DIR": str(tmp_path)}
        assert command("reconcile", str(manifest), "--no-follow", **environment).returncode == 0
        process = subprocess.Popen(
            [*COMMAND, "work", "--metrics-port", str(port)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert process.stderr is not None
        with process.stderr:
            assert any("run succeeded" in line for line in process.stderr)
            metrics = (await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{port}/metrics")).text
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
    assert 'orca_reconcile_runs_ended_total{end="succeeded",engine="duckdb"} 1.0' in metrics
    assert 'orca_reconcile_phase_seconds_count{engine="duckdb",phase="comparing"} 1.0' in metrics
