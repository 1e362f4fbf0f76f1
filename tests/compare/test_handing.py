"""What an engine hands over arrives whole."""

from __future__ import annotations

import pyarrow as pa
from sqlalchemy import text

from app.compare.handing import Handing
from app.db.engine import Database


async def test_an_empty_batch_is_not_the_end(database: Database) -> None:
    schema = pa.schema({"file_id": pa.int64()})
    batches = [pa.record_batch([pa.array(ids, pa.int64())], schema) for ids in ([1, 2], [], [3])]
    async with database.engine.connect() as connection, connection.begin():
        handing = Handing(connection, lambda: None)
        await handing.start()
        await handing.files(pa.RecordBatchReader.from_batches(schema, batches))
        found = await connection.execute(text("SELECT file_id FROM unequal_file ORDER BY file_id"))
        assert [*found.scalars()] == [1, 2, 3]
