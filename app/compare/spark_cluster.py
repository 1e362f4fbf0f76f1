"""A session on the Spark cluster: opened within seconds, watched while it works, interrupted by its tag."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import grpc
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.connect.shell.progress import ProgressHandler, StageInfo

from app.compare.engine import Report
from app.compare.spark_dialect import FUNCTIONS
from app.compare.spark_faults import SparkUnavailable, in_our_words
from app.db.blocking import in_thread
from app.db.queries import Queries

SQL = Queries("app.compare", "spark.sql")
T = TypeVar("T")

# The client would write each error there with its page of Java stack; what is of use to a person is in ours.
logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)

OPENING = DefaultPolicy(max_retries=4, max_backoff=3000)  # about 5 s in all
WORKING = DefaultPolicy(max_retries=8, max_backoff=10_000)  # about 35 s: a server's connection may be cut and come back
LOOK_S = 1.0
ANSWER_S = 20.0
PATIENCE_S = 600.0
LET_GO_S = 5.0
INTERRUPT_S = 0.5

CONFIGURATION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parquet.mergeSchema": "false",
    "spark.sql.orc.mergeSchema": "false",
    "spark.sql.adaptive.enabled": "true",
    # The join's sort and the window's are one only as long as nothing is broadcast.
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.adaptive.autoBroadcastJoinThreshold": "-1",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "32m",
}


class Heard(ProgressHandler):
    """Takes Spark's own progress: passes it on, and notes when it last went on.

    That tasks are in flight is no progress, or a stuck one would never be noticed.
    """

    def __init__(self, report: Report) -> None:
        self.phase = ""
        self.at = time.monotonic()
        self._report = report
        self._last: tuple[object, ...] = ()

    def __call__(
        self,
        stages: Iterable[StageInfo] | None,
        inflight_tasks: int,  # noqa: ARG002  (Spark passes it by name)
        operation_id: str | None,
        done: bool,  # noqa: FBT001  (the same)
    ) -> None:
        """Take how far the stages of one query are."""
        known = list(stages or ())
        finished = sum(stage.num_completed_tasks for stage in known)
        total = sum(stage.num_tasks for stage in known)
        if self._last != (finished, total, operation_id, done):
            self._last = (finished, total, operation_id, done)
            self.at = time.monotonic()
        if total:
            self._report(self.phase, finished, total, "tasks")


class Cluster:
    """One session of one run; `run` gives it work."""

    def __init__(self, spark: SparkSession, tag: str, report: Report) -> None:
        self._spark = spark
        self._tag = tag
        self._heard = Heard(report)
        self._letting_go: threading.Thread | None = None
        self._let_go_of = threading.Event()
        self._kept: list[DataFrame] = []
        spark.registerProgressHandler(self._heard)

    @classmethod
    @asynccontextmanager
    async def opened(cls, remote: str, tag: str, report: Report, *, partitions: int) -> AsyncIterator[Cluster]:
        """Open a session for the length of the block. Raises `SparkUnavailable` when the cluster does not answer."""
        spark = await asyncio.to_thread(SparkSession, remote)
        cluster = cls(spark, tag, report)
        try:
            spark.client.set_retry_policies([OPENING])
            await cluster.run("connecting", lambda session: _prepare(session, partitions), patience=ANSWER_S)
            spark.client.set_retry_policies([WORKING])
            yield cluster
        finally:
            await asyncio.shield(asyncio.to_thread(cluster.release))

    async def run(self, phase: str, function: Callable[[SparkSession], T], *, patience: float | None = None) -> T:
        """Do something that blocks on the cluster; a cancellation interrupts it there.

        Raises `SparkUnavailable` when the cluster is away, out of memory, or makes no progress for so many seconds,
        and `DataFault` when it met data that it cannot take.
        """
        self._heard.phase = phase
        self._heard.at = time.monotonic()
        self._let_go_of.clear()

        def tagged() -> T:
            self._spark.addTag(self._tag)  # tags belong to a thread
            return function(self._spark)

        work = asyncio.create_task(in_thread(tagged, interrupt=self.interrupt))
        try:
            while not (await asyncio.wait({work}, timeout=LOOK_S))[0]:
                allowed = PATIENCE_S if patience is None else patience
                if time.monotonic() - self._heard.at > allowed:
                    raise SparkUnavailable(
                        f"The Spark cluster made no progress for {allowed:.0f} s while {phase}: "
                        "it is stuck, overloaded, or has no workers to give."
                    )
            return work.result()
        except (PySparkException, grpc.RpcError) as error:
            raise in_our_words(error) from error
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
            self._let_go_of.set()

    def keep(self, rows: DataFrame) -> None:
        """Take note of rows that lie on the workers' disks, to be removed when the session ends."""
        self._kept.append(rows)

    def interrupt(self) -> None:
        """Ask the cluster to stop, without waiting for it; when it does not, hang up."""
        if self._letting_go is None:
            self._letting_go = threading.Thread(target=self._let_go, name="spark-interrupt", daemon=True)
            self._letting_go.start()

    def _let_go(self) -> None:
        hang_up = threading.Timer(LET_GO_S, self._spark.client.close)
        hang_up.start()
        with suppress(PySparkException, grpc.RpcError, ValueError):  # which all mean that nobody listens any more
            # Again and again, since an interrupt between two of our queries hits neither.
            self._spark.interruptTag(self._tag)
            while not self._let_go_of.wait(INTERRUPT_S) and hang_up.is_alive():
                self._spark.interruptTag(self._tag)
            hang_up.cancel()
        hang_up.join()

    def release(self) -> None:
        """Give everything back; a session whose connection was hung up goes away by itself."""
        if self._letting_go:
            self._letting_go.join()
        if self._spark.is_stopped:
            return
        self._spark.client.set_retry_policies([OPENING])
        with suppress(PySparkException, grpc.RpcError):
            for rows in self._kept:
                rows.unpersist()
        self._spark.stop()


def _prepare(spark: SparkSession, partitions: int) -> None:
    for name, value in {**CONFIGURATION, "spark.sql.shuffle.partitions": str(partitions)}.items():
        spark.conf.set(name, value)
    for name in FUNCTIONS:
        spark.sql(SQL[name].text)
