"""DuckDB in this process: bounded in memory, spilling to a folder, and never fetching an extension."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa

from app.db.blocking import aside, in_thread

_IN_WORDS: dict[str, type[duckdb.Error]] = {
    "INTERRUPT Error": duckdb.InterruptException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "Connection Error": duckdb.ConnectionException,
    "INTERNAL Error": duckdb.InternalException,
    "FATAL Error": duckdb.FatalException,
}
"""What says nothing about the data. From an Arrow reader it comes as `OSError`, and only its text tells."""


def is_not_the_data(error: Exception) -> bool:
    """Tell whether an error says nothing about the data: the query was interrupted, or DuckDB itself gave up."""
    return isinstance(error, tuple(_IN_WORDS.values())) or str(error).startswith(tuple(_IN_WORDS))


NO_STATISTICS = "statistics_propagation"
"""The optimizer that leaves out checks which a file's statistics say are not needed, whether they are true or not."""


def open_duckdb(
    memory_limit: int, *, threads: int | None = None, spill: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database that uses at most `memory_limit` bytes, and the folder `spill` beyond that.

    Without `spill` it fails rather than write anywhere. Extensions that are not in the wheel are never downloaded.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_limit // 1024} KiB",
        "temp_directory": str(spill) if spill else "",
        "preserve_insertion_order": False,
        "disabled_optimizers": NO_STATISTICS,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if threads is not None:
        config["threads"] = threads
    return duckdb.connect(config=config)


@asynccontextmanager
async def duckdb_aside(
    memory_limit: int, *, threads: int | None = None, spill: Path | None = None
) -> AsyncIterator[duckdb.DuckDBPyConnection]:
    """Open one as `open_duckdb` does, and close it, in a thread that gives way, and so do all that DuckDB starts.

    To close it is to give back all of its memory, which takes a tenth of a second and is always waited for.
    """
    memory = await aside(partial(open_duckdb, memory_limit, threads=threads, spill=spill))
    try:
        yield memory
    finally:
        await in_thread(memory.close, interrupt=lambda: None)


def batches(relation: duckdb.DuckDBPyRelation, rows: int) -> Iterator[pa.RecordBatch]:
    """Read a relation, so many rows at a time. Raises the `duckdb.Error` that a query would raise."""
    try:
        with relation.to_arrow_reader(rows) as reader:
            yield from reader
    except OSError as error:
        kind, _, _ = str(error).partition(":")
        raise _IN_WORDS.get(kind, duckdb.Error)(str(error)) from error
