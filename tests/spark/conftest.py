"""One Spark Connect server and one PostgreSQL on TCP for the whole test session, whichever workers come by."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from app.db.engine import Database
from tests.spark.processes import Postgres, Spark, Started, require_servers
from tests.support.postgres import Server


class TcpServer(Server):
    """The session's PostgreSQL for Spark; templates and fresh databases are made as on the other one."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"


@contextmanager
def _shared(base: Path) -> Iterator[dict[str, str | int]]:
    """Start the servers for the first of the session's workers, and stop them after the last."""
    state = base / "spark.json"

    @contextmanager
    def locked() -> Iterator[dict[str, str | int]]:
        with (base / "spark.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = json.loads(state.read_text()) if state.exists() else {}
            yield known
            state.write_text(json.dumps(known))

    with locked() as known:
        if not known.get("users"):
            # Not within pytest's folder, which any other session of pytest closes to PostgreSQL's login.
            folder = Path(tempfile.mkdtemp(prefix="orca-reconcile-spark-"))
            folder.chmod(0o755)
            postgres, spark = Postgres.start(folder / "pg"), Spark(folder / "spark")
            try:
                known["remote"] = spark.connect("local-cluster[2,1,1024]", "spark.executor.memory=1024m")
            except BaseException:
                spark.stop()
                postgres.stop()
                raise
            known |= {"folder": str(folder), "port": postgres.port, "pid": spark.leader.pid, "users": 0}
        known["users"] = int(known["users"]) + 1
    yield known
    with locked() as known:
        known["users"] = int(known["users"]) - 1
        if not known["users"]:
            folder = Path(str(known["folder"]))
            Spark.left_by(folder / "spark", Started(int(known["pid"]))).stop()
            Postgres(folder / "pg", int(known["port"])).stop()
            shutil.rmtree(folder)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str | int]]:
    require_servers()
    base = tmp_path_factory.getbasetemp()
    with _shared(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) as known:
        yield known


@pytest.fixture(scope="session")
def remote(servers: dict[str, str | int]) -> str:
    return str(servers["remote"])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tcp_server(servers: dict[str, str | int]) -> TcpServer:
    server = TcpServer(int(servers["port"]))
    await server.make_template()
    return server


@pytest_asyncio.fixture(loop_scope="session")
async def database(tcp_server: TcpServer) -> AsyncIterator[Database]:
    """Give a migrated, empty database that a cluster can reach."""
    async with tcp_server.fresh() as name:
        database = Database.at(tcp_server.url(name))
        yield database
        await database.dispose()
