"""What a query fails with is told apart as well where its rows come as Arrow."""

from __future__ import annotations

from contextlib import closing

import duckdb
import pytest

from app.db.duck import batches, is_not_the_data, open_duckdb

MEMORY = 50_000_000


def test_the_rows_are_those_of_the_query() -> None:
    with closing(open_duckdb(MEMORY)) as memory:
        read = list(batches(memory.sql("SELECT i FROM range(5_000) AS numbers (i)"), 2_048))
    assert sorted(number for batch in read for number in batch.column("i").to_pylist()) == list(range(5_000))
    assert max(batch.num_rows for batch in read) <= 2_048


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("SELECT CASE WHEN i = 900_000 THEN error('bad row') ELSE i END FROM range(1_000_000) AS t (i)", duckdb.Error),
        ("SELECT list(i) FROM range(20_000_000) AS t (i)", duckdb.OutOfMemoryException),
    ],
)
def test_a_failure_is_the_query_s(query: str, kind: type[duckdb.Error]) -> None:
    with closing(open_duckdb(MEMORY)) as memory, pytest.raises(kind):
        for _ in batches(memory.sql(query), 2_048):
            pass


def test_an_interrupt_is_one() -> None:
    with closing(open_duckdb(MEMORY)) as memory:
        reading = batches(memory.sql("SELECT i FROM range(10_000_000) AS t (i)"), 2_048)
        next(reading)
        memory.interrupt()
        with pytest.raises(duckdb.InterruptException):
            for _ in reading:
                pass


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (duckdb.InterruptException("INTERRUPT Error: Interrupted!"), True),
        (duckdb.ConnectionException("Connection Error: Connection already closed!"), True),
        (OSError("Out of Memory Error: failed to allocate"), True),
        (OSError("Connection Error: Connection already closed!"), True),
        (duckdb.InvalidInputException("Invalid Input Error: it has no key"), False),
        (OSError("Invalid Input Error: it has no key"), False),
    ],
)
def test_what_says_nothing_of_the_data_is_known_by_its_kind_or_its_words(error: Exception, verdict: bool) -> None:
    assert is_not_the_data(error) is verdict
