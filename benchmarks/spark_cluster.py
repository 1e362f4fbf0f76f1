"""A Spark on this machine, to be measured: a driver, and worker processes of one core and 1 GiB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.memory import forget_peak, own_peak, processor_seconds
from tests.support.spark import free_port, spark_in

MEMORY_MB = 1024


@dataclass(frozen=True)
class Spent:
    """What one job took of the cluster: processor time, the bytes it moved, and the largest memory of its processes."""

    processor: float
    driver_processor: float
    tasks: int
    shuffled: int
    spilled: int
    executor_peak: int
    driver_peak: int


class MeasuredCluster:
    """A running cluster; `measured` gives what was spent in a block."""

    def __init__(self, remote: str, address: str, driver: int) -> None:
        self.remote = remote
        self._address = address
        self._driver = driver

    @contextmanager
    def measured(self) -> Iterator[list[Spent]]:
        """Append what the block took to the list that it is given."""
        taken: list[Spent] = []
        before = self._totals()
        for pid in (self._driver, *self._executors()):
            forget_peak(pid)
        yield taken
        after = self._totals()
        spent = {name: after[name] - before[name] for name in after}
        taken.append(
            Spent(
                spent["executors"],
                spent["driver"],
                int(spent["tasks"]),
                int(spent["shuffled"]),
                int(spent["spilled"]),
                max(map(own_peak, self._executors())),
                own_peak(self._driver),
            )
        )

    def _totals(self) -> dict[str, float]:
        everything = processor_seconds(self._driver)
        executors = sum(processor_seconds(pid) for pid in self._executors())
        listed = self._ask("allexecutors")
        stages = self._ask("stages")
        return {
            "executors": executors,
            "driver": everything - executors,
            "tasks": sum(one["totalTasks"] for one in listed),
            "shuffled": sum(one["totalShuffleWrite"] for one in listed),
            "spilled": sum(one["diskBytesSpilled"] for one in stages),
        }

    def _executors(self) -> list[int]:
        return [child.pid for child in psutil.Process(self._driver).children()]

    def _ask(self, what: str) -> list[dict[str, Any]]:
        with httpx.Client(base_url=f"{self._address}/api/v1/applications", timeout=30) as client:
            (application,) = client.get("").raise_for_status().json()
            listed: list[dict[str, Any]] = client.get(f"/{application['id']}/{what}").raise_for_status().json()
        return listed


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[MeasuredCluster]:
    """Run a cluster for the length of the block. Its JVMs compile as they come, unlike those of the tests."""
    port = free_port()
    with spark_in(folder) as spark:
        remote = spark.connect(
            f"local-cluster[{workers},1,{MEMORY_MB}]",
            f"spark.executor.memory={MEMORY_MB}m",
            "spark.driver.extraJavaOptions=-Duser.timezone=UTC",
            "spark.executor.extraJavaOptions=-Duser.timezone=UTC",
            "spark.ui.enabled=true",
            f"spark.ui.port={port}",
            "spark.ui.retainedStages=100000",
        )
        yield MeasuredCluster(remote, f"http://127.0.0.1:{port}", spark.started[-1].pid)
