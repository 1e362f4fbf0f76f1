"""`docs/curl.md`: every line of it is run against a service with the demo's archive, and has the answer it is said to have."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from tests.support.postgres import Server
from tests.support.programs import need
from tests.support.service import PATIENCE_S, command, serving

DOCUMENT = (Path(__file__).parent.parent / "docs" / "curl.md").read_text()
BLOCK = re.compile(r"```console\n\$ (curl .*?)\n(.*?)```", re.DOTALL)
DAY_MS = 86_400_000
QUESTIONS = 10


def day_later(manifest: Path, days: int, **changed: Any) -> Path:
    """Write the manifest once more, as of some days later."""
    content = json.loads(manifest.read_text())
    content["creationTimestamp"] = str(int(content["creationTimestamp"]) + days * DAY_MS)
    raw = json.dumps(content | changed).encode()
    folder = manifest.parent.parent / f"inventory-{days}"
    shutil.copytree(manifest.parent, folder)
    (folder / "manifest.json").write_bytes(raw)
    (folder / "manifest.checksum").write_text(hashlib.md5(raw, usedforsecurity=False).hexdigest())
    return folder / "manifest.json"


def lose_a_file(catalog: Path) -> Path:
    """Write a catalog of one more file, which S3 does not have."""
    with catalog.open(newline="") as stream:
        row = next(csv.DictReader(stream))
    row |= {"key_path": "MOD09GQ___061/2024/127/lost.hdf", "filename": "lost.hdf", "granule_id": "MOD09GQ.A2024127"}
    row |= {"collection_id": "MOD09GQ___061", "size_in_bytes": "104857600"}
    more = catalog.with_name("more.csv")
    with more.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, row)
        writer.writeheader()
        writer.writerow(row)
    return more


def reconcile(client: httpx.Client, manifest: Path) -> None:
    job = client.post("/jobs", json={"manifestUrl": manifest.as_uri()}).raise_for_status().json()
    deadline = time.monotonic() + PATIENCE_S
    while job["status"] not in {"success", "error"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        job = client.get(f"/jobs/{job['id']}").json()


async def test_every_line_has_its_answer(server: Server, tmp_path: Path) -> None:
    need("curl")
    archive = tmp_path / "archive"
    command("generate", "--files", "20000", "--out", str(archive), "--seed", "1", "--format", "csv")
    manifest = archive / "inventory" / "manifest.json"
    questions = BLOCK.findall(DOCUMENT)
    assert len(questions) == len(re.findall(r"^## ", DOCUMENT, re.MULTILINE)) == QUESTIONS
    async with server.fresh() as name:
        environment = {"RECONCILE_DATABASE_URL": server.url(name), "RECONCILE_DATA_DIR": str(tmp_path)}
        command("catalog", "load", str(archive / "catalog.csv"), **environment)
        with serving(tmp_path / "log", **environment) as (client, _):
            reconcile(client, manifest)
            command("catalog", "load", str(lose_a_file(archive / "catalog.csv")), **environment)
            reconcile(client, day_later(manifest, 1))
            broken = json.loads(manifest.read_text())["files"]
            broken[0]["MD5checksum"] = "0" * 32
            reconcile(client, day_later(manifest, 2, files=broken))
            address = f"{client.base_url.host}:{client.base_url.port}"
            for line, answer in questions:
                run = subprocess.run(
                    ["bash", "-c", line.replace("localhost:8000", address)],
                    check=False,
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE_S,
                    cwd=tmp_path,
                )
                pattern = re.escape(answer.strip()).replace("…", ".*")
                assert re.fullmatch(pattern, run.stdout.strip(), re.DOTALL), f"$ {line}\n{run.stdout}"
    assert (tmp_path / "job-2-phantoms.csv").read_bytes().startswith(b"\xef\xbb\xbf")
