"""What an engine hands over arrives whole."""

from __future__ import annotations

import threading

import pyarrow as pa
from sqlalchemy import text

from app.compare.handing import Handing
from app.db.engine import Database

SCHEMA = pa.schema({"file_id": pa.int64()})


async def test_an_empty_batch_is_not_the_end(database: Database) -> None:
    batches = [pa.record_batch([pa.array(ids, pa.int64())], SCHEMA) for ids in ([1, 2], [], [3])]
    async with database.engine.connect() as connection, connection.begin():
        handing = Handing(connection, lambda: None)
        await handing.start()
        await handing.rows(lambda: pa.RecordBatchReader.from_batches(SCHEMA, batches))
        found = await connection.execute(text("SELECT file_id FROM unequal ORDER BY file_id"))
        assert [*found.scalars()] == [1, 2, 3]


async def test_rows_are_begun_in_a_thread(database: Database) -> None:
    """DuckDB may have done most of its work before it gives the first."""
    threads = []

    def opened() -> pa.RecordBatchReader:
        threads.append(threading.current_thread())
        return pa.RecordBatchReader.from_batches(SCHEMA, [])

    async with database.engine.connect() as connection, connection.begin():
        handing = Handing(connection, lambda: None)
        await handing.start()
        await handing.rows(opened)
    assert threads
    assert threading.current_thread() not in threads
