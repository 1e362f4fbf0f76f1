"""`make demo`: the whole way on generated data, through the real commands and the real HTTP API.

Ends with exit code 0 only if every finding of the three reports is the expected one.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
from rich.table import Table

from app.samples.earlier import write_earlier
from app.settings import Settings
from app.terminal import findings_table, out

COMMAND = [sys.executable, "-m", "app.cli"]
PATIENCE_S = 60
SAMPLE = 3
KINDS = ("phantoms", "orphans", "mismatches")


@contextmanager
def service(log: Path) -> Iterator[httpx.Client]:
    """Start the service on a free port of this machine, and stop it."""
    with log.open("w") as output:
        process = subprocess.Popen([*COMMAND, "serve", "--port", "0"], stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
        try:
            with httpx.Client(base_url=_address(process, log), timeout=30) as client:
                yield client
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if "running on http://" in line:
                return "http://" + line.partition("http://")[2].split()[0]
        time.sleep(0.1)
    sys.exit(f"The service did not start:\n{log.read_text()}")


def findings(client: httpx.Client, job_id: int, kind: str) -> Iterator[dict[str, object]]:
    """Read a whole report, page after page."""
    cursor: str | None = None
    while True:
        parameters = {"limit": "1000", **({"cursor": cursor} if cursor else {})}
        page = client.get(f"/reports/{job_id}/{kind}", params=parameters).raise_for_status().json()
        yield from page[kind]
        cursor = page["nextCursor"]
        if not page["anotherPage"]:
            return


class JobFailed(Exception):
    """A job of the demo ended in error."""


def reconcile(client: httpx.Client, manifest: Path) -> dict[str, object]:
    """Submit the manifest and wait until its job has ended. Raises `JobFailed`."""
    job = client.post("/jobs", json={"manifestUrl": manifest.as_uri(), "rerun": True}).raise_for_status().json()
    while job["status"] not in {"success", "error"}:
        time.sleep(0.2)
        job = client.get(f"/jobs/{job['id']}").raise_for_status().json()
    if job["status"] != "success":
        raise JobFailed(job["errorMessage"])
    return dict(job)


def earlier_inventories(folder: Path) -> Iterator[Path]:
    """Write the inventories of two weeks before: nothing was missing at first, then half the collections lost files."""
    expected = set(json.loads((folder / "expected.json").read_text())["phantoms"])
    with (folder / "catalog.csv").open(newline="", encoding="utf-8") as lines:
        losing = sorted({row["collection_id"] for row in csv.DictReader(lines) if row["key_path"] in expected})
    for weeks, lost in ((2, []), (1, losing[: len(losing) // 2])):
        yield write_earlier(folder, folder / f"inventory-{weeks}", before=timedelta(weeks=weeks), lost=lost)


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000, help="how many files the generated catalog has")
    files = parser.parse_args().files
    folder = Settings().data_dir.absolute() / "demo"
    subprocess.run(  # noqa: S603
        [*COMMAND, "generate", "--files", str(files), "--out", str(folder), "--seed", "1", "--format", "csv"],
        check=True,
    )
    subprocess.run([*COMMAND, "catalog", "load", str(folder / "catalog.csv")], check=True)  # noqa: S603
    expected = json.loads((folder / "expected.json").read_text())
    with service(folder / "service.log") as client:
        try:
            for manifest in earlier_inventories(folder):
                reconcile(client, manifest)
            job = reconcile(client, folder / "inventory" / "manifest.json")
        except JobFailed as error:
            out.print(f"[red]The job ended in error:[/red] {error}")
            return 1
        found = {kind: list(findings(client, int(str(job["id"])), kind)) for kind in KINDS}
    for kind, rows in found.items():
        out.print(findings_table(kind, rows[:SAMPLE]))
    totals = Table("", "found", "expected", title=f"Job {job['id']}: {job['orcaArchiveLocation']}")
    for total, number in expected["totals"].items():
        totals.add_row(total, f"{job['reportTotals'][total]:,}", f"{number:,}")  # type: ignore[index]  # JSON
    out.print(totals)
    same = (
        job["reportTotals"] == expected["totals"]
        and sorted(str(row["keyPath"]) for row in found["phantoms"]) == sorted(expected["phantoms"])
        and sorted(str(row["keyPath"]) for row in found["orphans"]) == sorted(expected["orphans"])
        and {row["keyPath"]: row["discrepancyType"] for row in found["mismatches"]} == expected["mismatches"]
    )
    verdict = "[green]Every finding is the expected one.[/green]"
    out.print(verdict if same else "[red]The findings are not the expected ones.[/red]")
    out.print("[bold]make serve[/bold] shows them in a browser: http://127.0.0.1:8000/")
    return 0 if same else 1


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
