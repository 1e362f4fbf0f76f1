"""A real S3 server for the tests: SeaweedFS from its wheel, on free ports, with a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from obstore.store import S3Store

ACCESS_KEY = "tests"
SECRET_KEY = "of-the-tests"  # noqa: S105  (the server is ours, listens on loopback, and is gone after the tests)
SERVICES = ("master", "volume", "filer", "s3")
START_SECONDS = 30


@dataclass(frozen=True)
class Seaweed:
    """A running server."""

    endpoint: str
    environment: dict[str, str] = field(repr=False)

    def bucket(self, name: str) -> S3Store:
        """Make a bucket, and give it to write to."""
        return S3Store(
            name,
            endpoint=self.endpoint,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            region="us-east-1",
            client_options={"allow_http": True},
        )


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Seaweed]:
    """Run a server in `folder` until the end of the block."""
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (folder / "data").mkdir(parents=True)
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    for _ in range(3):
        ports = _free_ports()
        process = _start(folder, ports)
        endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        try:
            if _ready(process, endpoint):
                yield Seaweed(endpoint, _environment(endpoint))
                return
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(folder / "data", ignore_errors=True)
            for service in SERVICES:  # it makes these sockets wherever its own folders are
                Path(f"/tmp/seaweedfs-{service}-grpc-{ports[f'{service}.port.grpc']}.sock").unlink(missing_ok=True)  # noqa: S108
        (folder / "data").mkdir(exist_ok=True)
    raise RuntimeError((folder / "weed.log").read_text(encoding="utf-8")[-4000:])


def _start(folder: Path, ports: dict[str, int]) -> subprocess.Popen[bytes]:
    options = {
        **{name: str(port) for name, port in ports.items()},
        "dir": str(folder / "data"),
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": "128",
        "volume.max": "1000",  # each bucket takes seven at once
        "volume.preStopSeconds": "0",
        "filer": "true",
        "filer.localSocket": str(folder / "filer.sock"),
        "s3": "true",
        "s3.config": str(folder / "s3.json"),
        "s3.localSocket": str(folder / "s3.sock"),
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
    }
    weed = Path(sys.executable).parent / "weed"
    with (folder / "weed.log").open("wb") as log:
        return subprocess.Popen(
            [weed, "server", *(f"-{name}={value}" for name, value in options.items())],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        )


def _ready(process: subprocess.Popen[bytes], endpoint: str) -> bool:
    """Wait until the server stores objects; give up when it has ended."""
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{endpoint}/status", timeout=1).is_success:
                return True
        time.sleep(0.1)
    return False


def _environment(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
    }


def _free_ports() -> dict[str, int]:
    """Find ports on which nobody listens, all at once so that they differ."""
    options = [f"{service}.port{kind}" for service in SERVICES for kind in ("", ".grpc")]
    with contextlib.ExitStack() as stack:
        sockets = {option: stack.enter_context(socket.socket()) for option in options}
        for each in sockets.values():
            each.bind(("127.0.0.1", 0))
        return {option: int(each.getsockname()[1]) for option, each in sockets.items()}
