"""What an engine hands over arrives whole."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
from sqlalchemy import text

from app.compare.handing import Handing
from app.db.engine import Database


async def test_an_empty_batch_is_not_the_end(database: Database) -> None:
    schema = pa.schema(
        {
            "key_path": pa.string(),
            "s3_etag": pa.string(),
            "s3_size_in_bytes": pa.int64(),
            "s3_last_update": pa.timestamp("us", tz="UTC"),
            "s3_storage_class": pa.string(),
        }
    )

    def batch(*keys: str) -> pa.RecordBatch:
        said = {
            "s3_etag": "e",
            "s3_size_in_bytes": 1,
            "s3_last_update": datetime(2026, 11, 1, tzinfo=UTC),
            "s3_storage_class": "GLACIER",
        }
        return pa.RecordBatch.from_pylist([{"key_path": key} | said for key in keys], schema)

    batches = [batch("a", "b"), batch(), batch("c")]
    async with database.engine.connect() as connection, connection.begin():
        handing = Handing(connection, lambda: None)
        await handing.start()
        await handing.objects(pa.RecordBatchReader.from_batches(schema, batches))
        found = await connection.execute(text("SELECT key_path FROM unequal_object ORDER BY key_path"))
        assert [*found.scalars()] == ["a", "b", "c"]
