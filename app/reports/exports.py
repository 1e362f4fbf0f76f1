"""A whole report as a file, chunk by chunk in little memory, of one state of the database."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from app.db.engine import Database
from app.db.queries import Queries
from app.reports.encodings import Encoder, ExportFormat, encoder
from app.reports.pages import Report

SQL = Queries("app.reports", "exports.sql")

CHUNK = 5000
GZIP_FORMAT = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Export:
    """One report as a file: how it is encoded, and its bytes. Whoever opened it has to `aclose()` the bytes."""

    encoder: Encoder
    gzip: bool
    data: AsyncGenerator[bytes, None]


async def open_export(
    database: Database, report: Report, name: ExportFormat, *, spreadsheet: bool = False, gzip: bool = False
) -> Export:
    """Begin to export a report, as far as its first chunk, while an error can still be answered as one.

    Raises `NoSuchJob`, `ReportNotReady`.
    """
    chunks = _chunks(database, report)
    try:
        # The first that comes is the bucket: a job that is not there, or has no report, is found out on the way to it.
        bucket = (await anext(chunks)).decode()
    except BaseException:
        await chunks.aclose()
        raise
    made = encoder(name, report.kind, bucket=bucket, spreadsheet=spreadsheet)
    compressed = gzip and not made.compressed
    return Export(made, compressed, _encoded(chunks, made, gzip=compressed))


async def _chunks(database: Database, report: Report) -> AsyncGenerator[bytes, None]:
    """Give the bucket, then the items in chunks, all from one snapshot."""
    async with database.snapshot() as connection:
        items, last = await report.read(connection, limit=CHUNK, after=None)
        bucket: str = (await connection.execute(SQL["bucket"], {"job_id": report.job_id})).scalar_one()
        yield bucket.encode()
        while items:
            yield items
            if last is None:
                break
            items, last = await report.read(connection, limit=CHUNK, after=last)


async def _encoded(chunks: AsyncGenerator[bytes, None], encoder: Encoder, *, gzip: bool) -> AsyncGenerator[bytes, None]:
    """Encode chunk after chunk, in a thread, so that pages are answered meanwhile."""
    compressor = zlib.compressobj(wbits=GZIP_FORMAT)

    def chunk(items: bytes) -> bytes:
        raw = encoder.chunk(items)
        return compressor.compress(raw) if gzip else raw

    def end() -> bytes:
        raw = encoder.end()
        return compressor.compress(raw) + compressor.flush() if gzip else raw

    try:
        async for items in chunks:
            yield await asyncio.to_thread(chunk, items)
        yield await asyncio.to_thread(end)
    finally:
        # The connection goes back to the pool now, and not when the garbage is collected.
        await chunks.aclose()
