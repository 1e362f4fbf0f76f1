"""Reads all that a reader of a table gives."""

from __future__ import annotations

import pyarrow as pa

from app.db.blocking import in_thread
from app.db.table import TableReader


async def whole(reader: TableReader) -> pa.Table:
    """Read it to its end, in a thread, as the engine does."""

    def rows() -> pa.Table:
        with reader:
            return pa.RecordBatchReader.from_stream(reader.stream()).read_all()

    return await in_thread(rows, interrupt=reader.cancel)
