from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from app.db.stream import Stream, read_together
from tests.inventory.building import duckdb_of_the_tests

SCHEMA = pa.schema([("number", pa.int64())])


def numbers(first: int, count: int) -> Iterator[pa.RecordBatch]:
    for start in range(first, first + count, 10):
        yield pa.record_batch([pa.arange(start, start + 10)], schema=SCHEMA)


def failing(first: int) -> Iterator[pa.RecordBatch]:
    yield from numbers(first, 50)
    raise OSError("the file ends here")


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "inventory-reader"]


SOURCES: list[Callable[[], Iterator[pa.RecordBatch]]] = [partial(numbers, first, 100) for first in range(0, 1000, 100)]


@pytest.mark.parametrize("threads", [1, 2, 8, 20])
def test_all_sources_are_read_once(threads: int) -> None:
    found = [number for batch in read_together(SOURCES, threads) for number in batch.column(0).to_pylist()]
    assert sorted(found) == list(range(1000))
    assert readers() == []


def test_no_sources_give_no_batches() -> None:
    assert list(read_together([])) == []


def test_what_a_source_raises_is_raised() -> None:
    with pytest.raises(OSError, match="the file ends here"):
        list(read_together([*SOURCES, partial(failing, 2000)], 2))
    assert readers() == []


def test_the_threads_end_with_a_reading_that_stops_early() -> None:
    reading = read_together(SOURCES, 4)
    assert isinstance(next(reading), pa.RecordBatch)
    assert len(readers()) > 0
    assert hasattr(reading, "close")
    reading.close()
    assert readers() == []


def test_a_stream_begins_anew_each_time() -> None:
    stream = Stream(SCHEMA, partial(numbers, 0, 100))
    with duckdb_of_the_tests() as connection:
        total = connection.from_arrow(stream).aggregate("sum(number)")
        assert [total.fetchall() for _ in range(3)] == [[(4950,)]] * 3


ABANDONED = """
import itertools
import pyarrow as pa
from app.db.stream import read_together
batch = pa.record_batch({"number": [1]})
kept = read_together([lambda: itertools.repeat(batch)] * 4, 4)
next(kept)
"""


def test_a_program_that_abandons_a_reading_ends() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", ABANDONED], cwd=root, timeout=30, capture_output=True, check=False)
    assert done.returncode == 0
