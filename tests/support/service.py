"""The service as an operator runs it: the real command, a real socket, a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

COMMAND = [sys.executable, "-m", "app.cli"]
PATIENCE_S = 90


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command of the service to its end, whatever that is."""
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


@contextmanager
def serving(log: Path, port: int = 0, /, **environment: str) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    """Serve on that port, or on a free one, for the length of the block."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
        try:
            with httpx.Client(base_url=_address(process, log), timeout=PATIENCE_S) as client:
                yield client, process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if "http://127.0.0.1:" in line:
                return "http://" + line.partition("http://")[2].split()[0].strip('",')
        time.sleep(0.1)
    raise AssertionError(f"the service did not start:\n{log.read_text()}")


def ended(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """Wait until a job has ended, and give it."""
    deadline = time.monotonic() + PATIENCE_S
    while job["status"] not in {"success", "error"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        job = client.get(f"/jobs/{job['id']}").json()
    return job
