"""What went wrong on the Spark cluster: something that may pass, the data, or how the cluster is set up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

import grpc
from pyspark.errors import PySparkException

from app.errors import EngineUnavailable, ReconcileError, StorageUnavailable
from app.inventory.resolve import Found


class SparkUnavailable(StorageUnavailable):
    """The Spark cluster is away, stuck or too small; trying again may help."""

    name = "spark-unavailable"
    title = "The Spark cluster cannot do the work now"


class DataFault(Exception):
    """The cluster met data that it cannot take; the text is Spark's."""

    @property
    def listed_twice(self) -> str | None:
        """The key that is listed as latest more than once, if that is the fault."""
        found = re.search(r"\[USER_RAISED_EXCEPTION\] listed twice: (.*?)(?: SQLSTATE: P0001|\Z)", str(self), re.DOTALL)
        return found[1] if found else None

    @property
    def sentence(self) -> str:
        """What is wrong with a row, where one of our own checks says so, or what Spark makes of it."""
        found = re.search(r"\[USER_RAISED_EXCEPTION\] fault in \S*: (.*?)(?: SQLSTATE: P0001|\Z)", str(self), re.DOTALL)
        return found[1] if found else first_line(str(self))

    @property
    def is_ours(self) -> bool:
        """Tell whether one of our own checks found it, rather than Spark's reading of a file."""
        return "USER_RAISED_EXCEPTION" in str(self)

    def file(self, found: Sequence[Found]) -> Found | None:
        """Give the file of which Spark speaks, where it does; it percent-encodes their names."""
        text = unquote(str(self))
        return next((one for one in found if one.location.path in text), None)


_ALONE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
_CATALOG = re.compile(r"org\.postgresql\.util\.PSQLException: (.*)")
_DATA = re.compile(r"USER_RAISED_EXCEPTION|FAILED_READ_FILE|MALFORMED_RECORD|CANNOT_DECODE_URL|CAST_|PATH_NOT_FOUND")
_MISSING = re.compile(r"ClassNotFoundException: \S+|DATA_SOURCE_NOT_FOUND|No suitable driver|No FileSystem for scheme")

# 137 and 143 are what a container's manager ends it with, 52 what a worker ends itself with (SparkExitCode.OOM).
_TOO_LITTLE_MEMORY = (
    "OutOfMemoryError|heap space|maxResultSize|memory limits|ACQUIRE_MEMORY"
    r"|[Ee]xit(?:ed with)? (?:code|status):? (?:137|143|52)\b"
)

# The first that fits is what is said: a worker that ran out of memory is lost as well.
_MAY_PASS = (
    (r"StatusCode\.UNAVAILABLE", "does not answer: RECONCILE_SPARK_REMOTE says where it should be"),
    (r"INVALID_HANDLE|SESSION_CLOSED", "has forgotten this session: it was started anew in the meantime"),
    (r"OPERATION_CANCELED|INTERRUPTED", "was told by somebody to stop this work"),
    (
        _TOO_LITTLE_MEMORY,
        "ran out of memory: give its executors more, or more of them (docs/scale.md)",
    ),
    (
        r"ExecutorLostFailure|FetchFailed|Lost executor|SparkContext was shut down",
        "lost its workers more often than it repeats their work",
    ),
)


def in_our_words(error: PySparkException | grpc.RpcError) -> ReconcileError | DataFault:
    """Say which of these it is."""
    text = str(error)
    if isinstance(error, grpc.RpcError) and error.code() in _ALONE:
        text = "StatusCode.UNAVAILABLE"
    passing = next((words for pattern, words in _MAY_PASS if re.search(pattern, text)), None)
    if refused := _CATALOG.search(text):
        passing = f"cannot read the catalog: {refused[1].strip().rstrip('.')}"
    if passing is None and _DATA.search(text):
        return DataFault(text)
    if passing is not None:
        return SparkUnavailable(f"The Spark cluster {passing}.")
    lacks = "lacks a package" if _MISSING.search(text) else "could not do the work"
    return EngineUnavailable(f"The Spark cluster {lacks}: {first_line(text)} (docs/scale.md says what it needs).")


def first_line(text: str) -> str:
    """Give what Spark says, without its page of stack."""
    return re.sub(r"\s*SQLSTATE: \w+", "", text.strip().partition("\n")[0]).rstrip(". ")[:300]
