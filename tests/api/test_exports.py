"""Reports as files over HTTP: whole, filtered, compressed when asked, and nothing left behind."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import socket

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from pyarrow import parquet
from sqlalchemy import text

from app.db.engine import Database
from app.reports import exports
from tests.api.problem import problem_of
from tests.reports.published import CREATED, Row, add_job, add_rows, publish

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "s3batch": "text/csv; charset=utf-8",
}


def keys_in(name: str, raw: bytes) -> list[str]:
    match name:
        case "csv":
            return [row["keyPath"] for row in csv.DictReader(io.StringIO(raw.decode(), newline=""))]
        case "parquet":
            keys: list[str] = parquet.read_table(io.BytesIO(raw))["keyPath"].to_pylist()
            return keys
        case "ndjson":
            return [httpx.Response(200, content=line).json()["keyPath"] for line in raw.splitlines()]
        case _:
            return [line.removeprefix("orca-archive,") for line in raw.decode().splitlines()]


@pytest.mark.parametrize("kind", ["phantoms", "orphans", "mismatches"])
async def test_the_whole_filtered_report_is_a_file(
    client: httpx.AsyncClient, database: Database, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "CHUNK", 3)
    keys = [f"a/{number:02}" for number in range(10)]
    job_id = await add_job(database)
    pending = Row("a/x", catalog_time=CREATED, s3_time=CREATED)
    await add_rows(database, job_id, kind, [*(Row(key) for key in keys), pending, Row("b")])
    await publish(database, job_id)
    for name, media_type in MEDIA_TYPES.items():
        query = f"format={name}&keyPrefix=a/&pending=false&limit=1"
        for encoding in ("identity", "gzip"):
            response = await client.get(f"/reports/{job_id}/{kind}?{query}", headers={"Accept-Encoding": encoding})
            if (kind, name) == ("phantoms", "s3batch"):
                problem_of(response, 422, "invalid-filter")
                continue
            suffix = {"s3batch": "s3batch.csv"}.get(name, name)
            assert (response.status_code, response.headers["content-type"]) == (200, media_type)
            assert response.headers["content-disposition"] == f'attachment; filename="job-{job_id}-{kind}.{suffix}"'
            compressed = encoding == "gzip" and name != "parquet"
            assert response.headers.get("content-encoding") == ("gzip" if compressed else None)
            assert keys_in(name, response.content) == keys


async def test_gzip_is_for_those_who_ask(client: httpx.AsyncClient, database: Database) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, "orphans", [Row("k")])
    await publish(database, job_id)
    for asked, given in (("gzip;q=0, identity", False), ("br, GZIP;q=0.5", True), ("x-gzip-not", False)):
        async with client.stream(
            "GET", f"/reports/{job_id}/orphans?format=ndjson", headers={"Accept-Encoding": asked}
        ) as response:
            raw = b"".join([part async for part in response.aiter_raw()])
        assert (b'"k"' in (gzip.decompress(raw) if given else raw)) is True
        assert response.headers["vary"] == "Accept-Encoding"


async def test_a_spreadsheet(client: httpx.AsyncClient, database: Database) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, "orphans", [Row("=cmd()")])
    await publish(database, job_id)
    path = f"/reports/{job_id}/orphans?format=csv"
    assert '"=cmd()"' in (await client.get(path)).text
    assert '"\'=cmd()"' in (await client.get(f"{path}&spreadsheet=true")).text
    problem_of(await client.get(f"/reports/{job_id}/orphans?spreadsheet=true"), 422, "invalid-filter")


async def test_what_cannot_be_exported(client: httpx.AsyncClient, database: Database) -> None:
    job_id = await add_job(database, status=3)
    problem_of(await client.get(f"/reports/{job_id}/orphans?format=csv"), 409, "report-not-ready")
    problem_of(await client.get(f"/reports/{job_id + 1}/orphans?format=csv"), 404, "no-such-job")
    problem_of(await client.get(f"/reports/{job_id}/orphans?format=xlsx"), 422, "invalid-request")
    pool = database.engine.pool
    assert pool.checkedout() == 0  # type: ignore[attr-defined]  # the pool that holds several connections


async def test_a_client_who_goes_away_leaves_no_connection_behind(app: FastAPI, database: Database) -> None:
    job_id = await add_job(database)
    async with database.transaction() as connection:
        await connection.execute(
            text("""
                INSERT INTO orca.reconcile_orphan_report
                SELECT :job_id, repeat(md5(i::text), 20), '"e"', now(), i, 'GLACIER' FROM generate_series(1, 50000) AS i
            """),
            {"job_id": job_id},
        )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical"))
        serving = asyncio.create_task(server.serve([listening]))
        _, writer = reader_writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(f"GET /reports/{job_id}/orphans?format=ndjson HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert await reader_writer[0].read(100)
        assert checked_out(database) == 1
        writer.transport.abort()
        for _ in range(100):
            if not checked_out(database):
                break
            await asyncio.sleep(0.05)
        assert checked_out(database) == 0
        server.should_exit = True
        await serving


def checked_out(database: Database) -> int:
    count: int = database.engine.pool.checkedout()  # type: ignore[attr-defined]  # the pool that holds several connections
    return count
