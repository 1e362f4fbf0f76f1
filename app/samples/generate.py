"""Writes a catalog and an inventory that differ in known places."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from threading import Lock

from app.samples.archive import Archive, open_archive
from app.samples.catalog import write_catalog
from app.samples.expected import Expected, expected_findings
from app.samples.inventory import DataFile, write_data_file
from app.samples.manifest import write_manifest
from app.samples.plan import BadSampleRequest, Plan, make_plan

CATALOG = "catalog.csv"
EXPECTED = "expected.json"
INVENTORY = "inventory"

# More would gain little, and each holds some tens of megabytes.
MOST_WORKERS = 8


def generate(
    files: int,
    out: Path,
    seed: int,
    file_format: str,
    *,
    bucket: str = "orca-archive",
    findings: float = 0.0035,
    data_files: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Expected:
    """Write `catalog.csv`, `inventory/` and `expected.json` into the folder `out`, and return what is expected.

    The same arguments always write the same bytes. `file_format` is csv, orc or parquet, `findings` the share of the
    files that become findings. What an earlier call wrote is replaced, other things in `out` are left alone. `progress`
    is told from time to time how many of the files are done, by one thread at a time. The manifest is written last, so
    an inventory that was cut short has none. Raises BadSampleRequest.
    """
    plan = make_plan(files, seed, file_format, bucket=bucket, findings=findings, data_files=data_files)
    try:
        _make_room(out)
        with open_archive(plan) as archive:
            expected = expected_findings(archive, plan)
            expected.write(out / EXPECTED)
            (out / INVENTORY / "data").mkdir(parents=True, exist_ok=True)
            data_files_written = _write_rows(archive, plan, out, progress)
        write_manifest(plan, data_files_written, out / INVENTORY)
    except OSError as error:
        raise BadSampleRequest(f"The samples cannot be written to {out}: {error}.") from error
    return expected


def _make_room(out: Path) -> None:
    """Create the folder, or remove what an earlier call wrote there: one that has expected.json was ours."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / EXPECTED).exists():
        for name in (CATALOG, INVENTORY):
            if (out / name).exists():
                raise BadSampleRequest(f"{out / name} is there already and was not generated: choose another folder.")
    if (out / INVENTORY / "data").exists():
        shutil.rmtree(out / INVENTORY / "data")
    for name in ("manifest.json", "manifest.checksum"):
        (out / INVENTORY / name).unlink(missing_ok=True)


def _write_rows(archive: Archive, plan: Plan, out: Path, progress: Callable[[int], None] | None) -> list[DataFile]:
    """Write the catalog and the data files side by side, each by one thread, so that their rows have one order."""
    tally = _Tally(plan, progress)
    data = out / INVENTORY / "data"
    # The catalog is the longest of them and comes first.
    tasks: list[Callable[[], DataFile | None]] = [
        partial(write_catalog, archive, plan, out / CATALOG, tally.advance),
        *(partial(write_data_file, archive, plan, number, data, tally.advance) for number in range(plan.data_files)),
    ]
    with ThreadPoolExecutor(min(MOST_WORKERS, os.cpu_count() or 1)) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            # What failed first is raised here, not what it then stopped.
            for ended in wait(futures, return_when=FIRST_EXCEPTION).done:
                ended.result()
        finally:
            tally.stop()
            pool.shutdown(cancel_futures=True)
    return [written for future in futures if (written := future.result()) is not None]


class _Stopped(Exception):
    """Another thread failed, so there is no use in going on."""


class _Tally:
    """Adds up what the threads have written, and stops them at the next stretch when one of them has failed."""

    def __init__(self, plan: Plan, progress: Callable[[int], None] | None) -> None:
        self._files = plan.files
        self._total = plan.files + plan.slots
        self._done = 0
        self._progress = progress
        self._stopped = False
        self._lock = Lock()

    def advance(self, rows: int) -> None:
        with self._lock:
            if self._stopped:
                raise _Stopped
            self._done += rows
            if self._progress is not None:
                self._progress(min(self._files, self._done * self._files // self._total))

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
