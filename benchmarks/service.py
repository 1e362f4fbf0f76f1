"""The service as an operator runs it: a process of its own, jobs over HTTP."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx

from benchmarks.cache import folder
from benchmarks.measure import Measured
from benchmarks.memory import Peak, forget_peak, of_postgres, of_tree, processor_seconds
from benchmarks.server import Server

START_S = 60
POLL_S = 0.02


class JobFailed(Exception):
    """The service ended a job of the benchmark in error."""


@dataclass(frozen=True)
class Service:
    """A running service, and its database."""

    address: str
    pid: int
    server: Server

    async def job(self, manifest: Path, engine: str, *, reconcile: bool = True) -> tuple[int, Measured]:
        """Submit a manifest and wait until its job has ended; the time is from the request to the commit."""
        body = {"manifestUrl": manifest.as_uri(), "engine": engine, "rerun": True, "reconcile": reconcile}
        return await self._request("/jobs", body)

    async def reconcile(self, job_id: int, engine: str) -> Measured:
        """Have a staged job without a manifest reconciled."""
        _, measured = await self._request(f"/jobs/{job_id}/reconcile", {"engine": engine})
        return measured

    @asynccontextmanager
    async def run(self, manifest: Path, engine: str) -> AsyncIterator[asyncio.Task[None]]:
        """Submit a manifest, and give the task that waits until its job has ended; nothing is measured.

        A client starts up before the block, since it would hold up those who time pages inside.
        """
        body = {"manifestUrl": manifest.as_uri(), "engine": engine, "rerun": True}
        connection = await asyncpg.connect(self.server.url)
        try:
            async with httpx.AsyncClient(base_url=self.address, timeout=60) as client:
                answer = await client.post("/jobs", json=body)
            ended = asyncio.create_task(_ended(connection, int(answer.raise_for_status().json()["id"])))
            yield ended
            await ended
        finally:
            await connection.close()

    async def _request(self, path: str, body: Mapping[str, object]) -> tuple[int, Measured]:
        await self.server.settle()
        # The end is read from the table: polling the job over HTTP would take time from the service.
        connection = await asyncpg.connect(self.server.url)
        try:
            async with httpx.AsyncClient(base_url=self.address, timeout=60) as client:
                pids = (self.pid, self.server.pid)
                forget_peak(self.pid)
                with (
                    Peak(lambda: of_tree(self.pid)) as own,
                    Peak(lambda: of_postgres(self.server.pid)) as postgres,
                ):
                    before = [processor_seconds(pid) for pid in pids]
                    start = time.perf_counter()
                    answer = await client.post(path, json=body)
                    job_id = int(answer.raise_for_status().json()["id"])
                    await _ended(connection, job_id)
                    seconds = time.perf_counter() - start
                    spent = [processor_seconds(pid) - then for pid, then in zip(pids, before, strict=True)]
        finally:
            await connection.close()
        return job_id, Measured(seconds, [], own.bytes, postgres.bytes, *spent)


async def _ended(connection: asyncpg.Connection, job_id: int) -> None:
    query = "SELECT state, error_message FROM orca.reconcile_run WHERE job_id = $1 ORDER BY id DESC LIMIT 1"
    # What is waited for happens in another process, so there is no event to wait for.
    while (run := await connection.fetchrow(query, job_id))["state"] in {"queued", "running"}:  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)
    if run["state"] != "succeeded":
        raise JobFailed(run["error_message"])


@asynccontextmanager
async def running(server: Server, *, prefix: Path, **environment: str) -> AsyncIterator[Service]:
    """Run `orca-reconcile serve` on the server's database, allowed to read the manifests below `prefix`."""
    data = folder("service", server.folder.parent.name)
    env = {
        **os.environ,
        "RECONCILE_DATABASE_URL": server.url,
        "RECONCILE_DATA_DIR": str(data),
        "RECONCILE_MANIFEST_PREFIXES": f'["{prefix.as_uri()}/"]',
        **environment,
    }
    with process([sys.executable, "-m", "app.cli", "serve", "--port", "0"], data / "serve.log", env) as (pid, address):
        yield Service(address, pid, server)


class process:  # noqa: N801  (read as `with process(...)`)
    """A web server on a free port for the length of a `with` block, which gives its process and its address."""

    def __init__(self, arguments: list[str], log: Path, env: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, env=env)

    def __enter__(self) -> tuple[int, str]:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            for line in self._log.read_text(errors="replace").splitlines():
                if "running on http://" in line:
                    return self._process.pid, "http://" + line.partition("http://")[2].split()[0]
            time.sleep(0.1)
        self.__exit__()
        raise JobFailed(f"The server did not start:\n{self._log.read_text()}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(START_S)
