"""Puts jobs of some age into the tables, with what was found and staged of them, and comes between transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Database

JOB = """
    INSERT INTO orca.reconcile_job (orca_archive_location, status_id, inventory_creation_time, start_time, last_update)
    VALUES (:bucket, :status, now() - make_interval(days => :days), now(), now() - make_interval(days => :days))
    RETURNING id
"""
ORPHANS = """
    INSERT INTO orca.reconcile_orphan_report
    SELECT :job, number::text, '""', now(), 0, '' FROM generate_series(1, :rows) AS number
"""
REPORT = """
    INSERT INTO orca.reconcile_report VALUES
        (:job, now(), 'duckdb', now(), 0, 0, '{}', '{}', 0, :rows, 0, 0, 0, 0, 0, 0, 0)
"""
RUN = """
    INSERT INTO orca.reconcile_run (job_id, orca_archive_location, engine, reconcile, take_in)
    VALUES (:job, 'b', 'duckdb', true, true)
"""
PARTITION = """
    CREATE TABLE orca.reconcile_s3_object_b PARTITION OF orca.reconcile_s3_object (PRIMARY KEY (key_path)) FOR VALUES IN ('b')
"""
STAGED = """
    INSERT INTO orca.reconcile_s3_object SELECT job, 'b', job || ' ' || number, '""', now(), 0, '', false
    FROM CAST(:job AS int8) AS job CROSS JOIN generate_series(1, :rows) AS number
"""
MANIFEST = """
    INSERT INTO orca.reconcile_manifest
    VALUES (:job, 'file:///manifest.json', '', 1, '{}', :rows, CASE WHEN CAST(:rows AS int8) > 0 THEN now() END)
"""


async def do(database: Database, statement: str, **values: object) -> int:
    async with database.reading() as connection:
        result = await connection.execute(text(statement), values)
        return int(result.scalar_one()) if result.returns_rows else 0


async def until(database: Database, statement: str, **values: object) -> None:
    async with asyncio.timeout(20):
        while not await do(database, statement, **values):
            await asyncio.sleep(0.02)


async def job(database: Database, days: int, status: int = 5, bucket: str = "b", orphans: int = 3) -> int:
    number = await do(database, JOB, bucket=bucket, status=status, days=days)
    await do(database, ORPHANS, job=number, rows=orphans)
    await do(database, REPORT, job=number, rows=orphans)
    return number


async def stage(database: Database, job: int, rows: int) -> None:
    """Stage rows of the job in archive location `b`, beside whatever lies there."""
    if not await do(
        database, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'orca.reconcile_s3_object'::regclass"
    ):
        await do(database, PARTITION)
    await do(database, STAGED, job=job, rows=rows)


def come_between(
    monkeypatch: pytest.MonkeyPatch, transactions: int, what: Callable[[], Awaitable[object]]
) -> Callable[[], bool]:
    """Have `what` done once that many transactions are committed from now on; gives whether it was."""
    transaction, committed = Database.transaction, 0

    @asynccontextmanager
    async def counted(self: Database) -> AsyncIterator[AsyncConnection]:
        nonlocal committed
        async with transaction(self) as connection:
            yield connection
        committed += 1
        if committed == transactions:
            await what()

    monkeypatch.setattr(Database, "transaction", counted)
    return lambda: committed >= transactions
