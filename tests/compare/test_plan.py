"""How PostgreSQL plans the comparison of staged rows: one full join, in parallel, whose memory its transaction gives back.

It counts both sides while it reads them, however many processes do.
"""

from __future__ import annotations

from sqlalchemy import bindparam, text

from app.compare.engine import Comparison, Counted
from app.compare.postgres import SQL, WORK_MEM, PostgresEngine
from app.db.engine import Database
from app.inventory.manifest import COMPARABLE
from tests.reports.published import add_job
from tests.strategies import CREATED
from tests.support.archive import empty

ROWS, OBJECTS = 200_000, 199_991
BUCKET = "bucket-of-the-plan"
PARTITION = "orca.reconcile_s3_object_bucket_of_the_plan"
CREATE = f"""
    CREATE TABLE {PARTITION} PARTITION OF orca.reconcile_s3_object (PRIMARY KEY (key_path)) FOR VALUES IN ('{BUCKET}')
"""
FILL = (
    """
    INSERT INTO orca.granules (
        provider_id, collection_id, cumulus_granule_id, execution_id, ingest_time, cumulus_create_time, last_update
    ) VALUES ('p', 'c', 'g', '', now(), now(), now())
    """,
    """
    INSERT INTO orca.files (
        granule_id, name, orca_archive_location, cumulus_archive_location, key_path, ingest_time, etag, version,
        size_in_bytes, storage_class_id
    )
    SELECT granules.id, 'f', :bucket, 'b', 'folder/' || md5(i::text) || i, now(), '"' || md5(i::text) || '"', '', i, 1
    FROM generate_series(1, :rows) AS i CROSS JOIN orca.granules
    """,
    f"""
    INSERT INTO {PARTITION} (
        job_id, orca_archive_location, key_path, etag, last_update, size_in_bytes, storage_class
    )
    SELECT :job, orca_archive_location, key_path, etag, now(), size_in_bytes, 'GLACIER' FROM orca.files
    WHERE size_in_bytes <= :objects
    """,
)


def comparison(job: int) -> Comparison:
    return Comparison(
        job_id=job,
        archive_location=BUCKET,
        inventory_creation_time=CREATED,
        compared_fields=COMPARABLE,
        pending_from=CREATED,
    )


async def test_staged_rows_are_compared_and_counted_by_one_parallel_full_join(database: Database) -> None:
    await empty(database)
    job = await add_job(database)
    async with database.engine.connect() as connection:
        transaction = await connection.begin()
        before = (await connection.execute(text("SHOW work_mem"))).scalar_one()
        await connection.execute(text("INSERT INTO orca.providers VALUES ('p', 'p')"))
        await connection.execute(text("INSERT INTO orca.collections VALUES ('c', 'c', '1')"))
        await connection.execute(text(CREATE))
        for statement in FILL:
            values = {"bucket": BUCKET, "rows": ROWS, "objects": OBJECTS, "job": job}
            await connection.execute(text(statement), {k: v for k, v in values.items() if f":{k}" in statement})
        await connection.execute(text(f"ANALYZE orca.files, {PARTITION}"))
        await connection.execute(SQL["settings"], {"work_mem": WORK_MEM})
        unequal = SQL.of_table("unequal", "the_partition", PARTITION).text
        create = unequal[unequal.index("CREATE TEMPORARY") :]
        explained = text("EXPLAIN (COSTS OFF) " + create).bindparams(
            bindparam("archive_location", BUCKET, literal_execute=True),
            bindparam("job_id", job, literal_execute=True),
            *(bindparam(name, True, literal_execute=True) for name in COMPARABLE),
        )
        plan = "\n".join((await connection.execute(explained)).scalars())
        counted = await PostgresEngine(None).fill(connection, comparison(job), lambda *_: None)
        await transaction.rollback()
        after = (await connection.execute(text("SHOW work_mem"))).scalar_one()
    assert plan.count("Parallel Hash Full Join") == 1, plan
    assert "Workers Planned:" in plan
    assert plan.count("Parallel Seq Scan") == 2, "each side is read once, and by all processes\n" + plan
    assert "Sort" not in plan
    assert counted == Counted(inventory_objects=OBJECTS, catalog_files=ROWS)
    assert after == before
