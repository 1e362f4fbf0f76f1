"""Fixtures: one Spark Connect server and one PostgreSQL on TCP for a whole test session, whichever workers come by."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.db.engine import Database
from tests.support.postgres import Server
from tests.support.spark import Postgres, Spark, free_port, require_servers

WORKERS = 2

# A worker of pytest-xdist has a main module of no origin, which pyspark takes for a run of its own doctests.
_main = sys.modules["__main__"]
if _main.__spec__ is None and not hasattr(_main, "__file__"):
    _main.__spec__ = ModuleSpec("pytest.__main__", None)


@dataclass(frozen=True)
class Servers:
    """The session's cluster and PostgreSQL, with all their files in one folder."""

    folder: str
    master: str
    remote: str
    interface: int
    database_port: int

    @classmethod
    def start(cls) -> Servers:
        # Not within pytest's folder, which any other session of pytest closes to PostgreSQL's login.
        folder = Path(tempfile.mkdtemp(prefix="orca-reconcile-spark-"))
        folder.chmod(0o755)
        postgres, spark, interface = Postgres.start(folder / "pg"), Spark(folder / "spark"), free_port()
        try:
            master = spark.start_master()
            for _ in range(WORKERS):
                spark.start_worker(master)
            remote = spark.connect(
                master,
                "spark.executor.memory=1024m",
                "spark.task.maxFailures=2",  # many tests make tasks fail, and more attempts would only take longer
                "spark.ui.enabled=true",
                f"spark.ui.port={interface}",
            )
        except BaseException:
            spark.stop()
            postgres.remove()
            shutil.rmtree(folder)
            raise
        return cls(str(folder), master, remote, interface, postgres.port)

    def stop(self) -> None:
        folder = Path(self.folder)
        Spark(folder / "spark").stop()
        Postgres(folder / "pg", self.database_port).remove()
        shutil.rmtree(folder)

    def replace_a_worker(self) -> None:
        """Kill a worker with its executor, and start another one."""
        spark = Spark(Path(self.folder) / "spark")
        next(one for one in spark.started[1 : 1 + WORKERS] if one.running).stop()
        spark.start_worker(self.master)

    def works_on(self, tag: str) -> bool:
        """Whether anything that runs on the cluster has this in one of its tags."""
        address = f"http://127.0.0.1:{self.interface}/api/v1/applications"
        with httpx.Client(base_url=address, timeout=30) as client:
            (application,) = client.get("").raise_for_status().json()
            running = client.get(f"/{application['id']}/jobs?status=running").raise_for_status().json()
        return any(tag in written for job in running for written in job["jobTags"])


class TcpServer(Server):
    """The session's PostgreSQL for Spark; templates and fresh databases are made as on the other one."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"


@contextmanager
def _shared(base: Path) -> Iterator[Servers]:
    """Start the servers for the first of the session's workers, and stop them after the last."""
    state = base / "spark.json"

    @contextmanager
    def users() -> Iterator[list[dict[str, str | int]]]:
        with (base / "spark.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = json.loads(state.read_text()) if state.exists() else []
            yield known
            state.write_text(json.dumps(known))

    with users() as known:
        servers = Servers(**known[0]) if known else Servers.start()  # type: ignore[arg-type]  # as it was written
        known.append(asdict(servers))
    yield servers
    with users() as known:
        known.pop()
        if not known:
            servers.stop()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    require_servers()
    base = tmp_path_factory.getbasetemp()
    with _shared(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) as known:
        yield known


@pytest.fixture(scope="session")
def remote(servers: Servers) -> str:
    return servers.remote


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tcp_server(servers: Servers) -> TcpServer:
    server = TcpServer(servers.database_port)
    await server.make_template()
    return server


@pytest_asyncio.fixture(loop_scope="session")
async def on_tcp(tcp_server: TcpServer) -> AsyncIterator[Database]:
    """Give a migrated, empty database that a cluster can reach."""
    async with tcp_server.fresh() as name:
        database = Database.at(tcp_server.url(name))
        yield database
        await database.dispose()
