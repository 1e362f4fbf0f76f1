"""A whole report as a file, chunk by chunk in little memory, of one state of the database."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TypeAlias

from app.db.blocking import aside
from app.db.engine import Database
from app.db.queries import Queries
from app.reports.encodings import Encoder, ExportFormat, encoder
from app.reports.findings import Finding
from app.reports.pages import Report

SQL = Queries("app.reports", "exports.sql")

CHUNK = 2000
"""How many findings are read at a time: so few that pages are answered as quickly as before."""

GZIP_FORMAT = 16 + zlib.MAX_WBITS

Chunks: TypeAlias = AsyncGenerator[tuple[str, list[Finding]], None]
"""Findings, some at a time, and with them the bucket that they are of."""


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
        # A job that is not there, or has no report, is found out on the way to the first chunk.
        bucket, first = await anext(chunks)
    except BaseException:
        await chunks.aclose()
        raise
    made = encoder(name, report.kind, bucket=bucket, spreadsheet=spreadsheet)
    compressed = gzip and not made.compressed
    return Export(made, compressed, _encoded(first, chunks, made, gzip=compressed))


async def _chunks(database: Database, report: Report) -> Chunks:
    """Give the items in chunks, each with the bucket, from one snapshot. A report without any is one empty chunk."""
    async with database.snapshot() as connection:
        items, last = await report.read(connection, limit=CHUNK, after=None)
        bucket: str = (await connection.execute(SQL["bucket"], {"job_id": report.job_id})).scalar_one()
        yield bucket, items
        while last is not None:
            items, last = await report.read(connection, limit=CHUNK, after=last)
            yield bucket, items


async def _encoded(
    first: list[Finding], chunks: Chunks, encoder: Encoder, *, gzip: bool
) -> AsyncGenerator[bytes, None]:
    """Encode chunk after chunk, in a thread, so that pages are answered meanwhile."""
    compressor = zlib.compressobj(wbits=GZIP_FORMAT)

    def chunk(items: list[Finding]) -> bytes:
        raw = encoder.chunk(items)
        return compressor.compress(raw) if gzip else raw

    def end() -> bytes:
        raw = encoder.end()
        return compressor.compress(raw) + compressor.flush() if gzip else raw

    try:
        if first:
            yield await aside(chunk, first)
        async for _, items in chunks:
            yield await aside(chunk, items)
        yield await aside(end)
    finally:
        # The connection goes back to the pool now, and not when the garbage is collected.
        await chunks.aclose()
