"""A million findings as a file: whole, in flat memory, and nothing left behind when the client goes away halfway."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
from pyarrow import parquet
from sqlalchemy import text

from app.db.engine import Database
from tests.reports.published import add_job, publish
from tests.support.service import serving

FINDINGS = 1_000_000
ALLOWED_GROWTH = 64 << 20
GZIP = 16 + zlib.MAX_WBITS


class Peak:
    """The most memory that a process was seen to use."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.bytes = 0

    def look(self) -> None:
        self.bytes = max(self.bytes, self._process.memory_info().rss)


@contextmanager
def streamed(client: httpx.Client, path: str, peak: Peak) -> Iterator[Iterator[bytes]]:
    with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as response:
        assert response.status_code == 200
        unpacker = zlib.decompressobj(GZIP) if response.headers.get("content-encoding") == "gzip" else None

        def chunks() -> Iterator[bytes]:
            for data in response.iter_raw():
                peak.look()
                yield unpacker.decompress(data) if unpacker else data

        yield chunks()


async def test_a_million_findings_in_flat_memory(database: Database, tmp_path: Path) -> None:
    job_id = await add_job(database)
    async with database.transaction() as connection:
        await connection.execute(
            text("""
                INSERT INTO orca.reconcile_orphan_report
                SELECT :job_id, 'MOD09GQ/006/' || md5(i::text) || '.hdf', '"e"', '2024-05-20Z', i, 'GLACIER'
                FROM generate_series(1, CAST(:findings AS int)) AS i
            """),
            {"job_id": job_id, "findings": FINDINGS},
        )
    small = await add_job(database)
    for one in (job_id, small):
        await publish(database, one)
    environment = {
        "RECONCILE_DATABASE_URL": database.url,
        "RECONCILE_DATA_DIR": str(tmp_path),
        "RECONCILE_RETENTION_DAYS": "100000",  # these jobs are of 2024
    }
    with serving(tmp_path / "log", **environment) as (client, process):
        for name in ("csv", "parquet", "ndjson", "s3batch"):  # whatever is loaded once is loaded
            client.get(f"/reports/{small}/orphans?format={name}").raise_for_status()
        peak = Peak(process.pid)
        peak.look()
        before = peak.bytes
        path = f"/reports/{job_id}/orphans?format="
        for name, header in (("csv", 1), ("ndjson", 0), ("s3batch", 0)):
            with streamed(client, path + name, peak) as chunks:
                assert sum(chunk.count(b"\n") for chunk in chunks) == FINDINGS + header, name
        with streamed(client, path + "parquet", peak) as chunks, (tmp_path / "report").open("wb") as file:
            file.writelines(chunks)
        assert parquet.read_metadata(tmp_path / "report").num_rows == FINDINGS
        assert peak.bytes - before < ALLOWED_GROWTH, f"{(peak.bytes - before) >> 20} MB more"

        with streamed(client, path + "csv", peak) as chunks:
            assert next(chunks)
            assert await busy(database) == 1
        await nothing_is_left(database)
        assert client.get("/readyz").status_code == 200


async def nothing_is_left(database: Database) -> None:
    for _ in range(100):
        if await busy(database) == 0:
            return
        await asyncio.sleep(0.1)
    pytest.fail("the service still reads for a client who went away")


async def busy(database: Database) -> int:
    """Count the connections of others that do something, or hold a transaction open."""
    connection = await asyncpg.connect(database.url)
    count: int = await connection.fetchval("""
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'
    """)
    await connection.close()
    return count
