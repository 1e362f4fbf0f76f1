"""What an engine takes for unequal: no more than what may be a finding, or publishing would have all files to look up."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.compare.engine import Comparison
from app.compare.postgres import PostgresEngine
from app.db.engine import Database
from app.inventory.manifest import COMPARABLE
from tests.reports.published import add_job
from tests.strategies import CREATED
from tests.support.archive import catalog_file, empty, insert_files

BUCKET = "bucket-without-fields"
PARTITION = f"""
    CREATE TABLE orca.reconcile_s3_object_bucket_without_fields PARTITION OF orca.reconcile_s3_object (PRIMARY KEY (key_path))
    FOR VALUES IN ('{BUCKET}')
"""
STAGE = """
    INSERT INTO orca.reconcile_s3_object (
        job_id, orca_archive_location, key_path, etag, last_update, size_in_bytes, storage_class
    ) VALUES (:job_id, :bucket, 'a', :etag, now(), :size_in_bytes, :storage_class)
"""
CARRIED = {"etag": "e", "size_in_bytes": 5, "storage_class": "GLACIER"}
MISSING = {"etag": "", "size_in_bytes": 0, "storage_class": ""}


@pytest.mark.parametrize("missing", COMPARABLE)
async def test_a_field_that_is_not_carried_makes_nothing_unequal(database: Database, missing: str) -> None:
    await empty(database)
    job_id = await add_job(database)
    comparison = Comparison(
        job_id=job_id,
        archive_location=BUCKET,
        inventory_creation_time=CREATED,
        compared_fields=tuple(name for name in COMPARABLE if name != missing),
        pending_from=CREATED,
    )
    async with database.engine.connect() as connection, connection.begin() as transaction:
        await insert_files(connection, [catalog_file("a", etag='"e"', size=5, archive_location=BUCKET)])
        await connection.execute(text(PARTITION))
        row = {"job_id": job_id, "bucket": BUCKET, **CARRIED, missing: MISSING[missing]}
        await connection.execute(text(STAGE), row)
        await PostgresEngine(None).fill(connection, comparison, lambda *_: None)
        assert (await connection.execute(text("SELECT count(*) FROM unequal"))).scalar_one() == 0
        await transaction.rollback()
