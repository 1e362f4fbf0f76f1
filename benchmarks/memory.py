"""Peak memory and processor time of processes, from what the kernel says of them in /proc.

A process: its resident set, that of its descendants added, sampled; or the peak of the process itself, which the kernel
keeps (VmHWM), where that is larger.

PostgreSQL: the private memory of all its processes, added, and the shared memory of the one that has touched most of
it, sampled. Adding resident sets would count its shared buffers once for every process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

INTERVAL_S = 0.02


class Peak:
    """Samples a quantity of memory for the length of a `with` block; `bytes` is its maximum."""

    def __init__(self, measure: Callable[[], int]) -> None:
        self.bytes = 0
        self._measure = measure
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(INTERVAL_S):
            self.bytes = max(self.bytes, self._measure())


def of_tree(pid: int) -> int:
    """Give the resident sets of a process and all its descendants, added, and no less than its own peak; in bytes."""
    return max(sum(_status(each).get("VmRSS", 0) for each in _tree(pid)), own_peak(pid))


def of_postgres(pid: int) -> int:
    """Give what a PostgreSQL server holds, in bytes: private memory of all its processes, shared memory once."""
    private, shared = 0, 0
    for each in _tree(pid):
        fields = _status(each)
        private += fields.get("RssAnon", 0)
        shared = max(shared, fields.get("RssShmem", 0))
    return private + shared


def processor_seconds(pid: int) -> float:
    """Give the processor time of a process, its descendants, and its children that have ended."""
    total = 0.0
    for each in _tree(pid):
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(each).cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def forget_peak(pid: int) -> None:
    """Have the kernel keep a process's peak anew from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def own_peak(pid: int) -> int:
    """Give the peak of one process in bytes, as the kernel has kept it since `forget_peak`."""
    return _status(pid).get("VmHWM", 0)


def _tree(pid: int) -> list[int]:
    """Find a process and its descendants: what is appended to the list is looked at in its turn."""
    found = [pid]
    for each in found:
        with suppress(FileNotFoundError, ProcessLookupError):
            for thread in Path(f"/proc/{each}/task").iterdir():
                with suppress(FileNotFoundError, ProcessLookupError):
                    found += map(int, (thread / "children").read_text().split())
    return found


def _status(pid: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {
        name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines) if " kB" in rest
    }
