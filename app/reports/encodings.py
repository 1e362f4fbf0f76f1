"""Findings as files: NDJSON, CSV, Parquet and S3 Batch Operations' manifests.

An encoder is given chunk after chunk and gives the bytes that are ready; none keeps more than a chunk.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal
from urllib.parse import quote

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet
from typing_extensions import Buffer

from app.reports.findings import Finding, Kind

ExportFormat = Literal["csv", "ndjson", "parquet", "s3batch"]

FORMULA = r"^[=+\-@\t\r\n]"
"""How a text begins that a spreadsheet takes for a formula (OWASP, CSV injection)."""

BYTE_ORDER_MARK = "\ufeff".encode()


class Sink(io.RawIOBase):
    """A file that only goes forward, and from which is taken what was written."""

    def __init__(self) -> None:
        self._written = bytearray()
        self._position = 0

    def writable(self) -> bool:
        """Say that it is written to."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Take in some bytes."""
        size = memoryview(data).nbytes
        self._written += data
        self._position += size
        return size

    def tell(self) -> int:
        """Tell how many bytes were written from the beginning: Parquet's footer says where things are."""
        return self._position

    def take(self) -> bytes:
        """Give what was written since it was last taken."""
        taken = bytes(self._written)
        self._written.clear()
        return taken


class Encoder(ABC):
    """Turns items into a file: `chunk` for each chunk of them, `end` for what comes last."""

    media_type: str
    suffix: str
    compressed = False

    @abstractmethod
    def chunk(self, items: Sequence[Finding]) -> bytes:
        """Encode some items, at least one."""

    def end(self) -> bytes:
        """Give what follows the last chunk."""
        return b""


class NdjsonEncoder(Encoder):
    """One JSON object a line."""

    media_type = "application/x-ndjson"
    suffix = "ndjson"

    def chunk(self, items: Sequence[Finding]) -> bytes:
        """Put each item on its line."""
        return msgspec.json.Encoder().encode_lines(items)


class CsvEncoder(Encoder):
    """CSV with a header, in UTF-8: a text is quoted, a comment that is not there is empty and not quoted.

    For a spreadsheet, an apostrophe before what would be a formula makes it a text, and a byte order mark tells Excel
    that it is UTF-8. Otherwise every value is as it is.
    """

    media_type = "text/csv; charset=utf-8"
    suffix = "csv"

    def __init__(self, kind: Kind, *, spreadsheet: bool) -> None:
        self._schema = schema(kind)
        self._spreadsheet = spreadsheet
        self._out = Sink()
        self._out.write(BYTE_ORDER_MARK if spreadsheet else b"")
        self._writer = csv.CSVWriter(self._out, self._schema)

    def chunk(self, items: Sequence[Finding]) -> bytes:
        """Write some rows."""
        table = to_table(items, self._schema)
        if self._spreadsheet:
            table = pa.Table.from_arrays(
                [harmless(column) if column.type == pa.string() else column for column in table.columns],
                schema=self._schema,
            )
        self._writer.write_table(table)
        return self._out.take()

    def end(self) -> bytes:
        """Give the header of a file without rows."""
        self._writer.close()
        return self._out.take()


class ParquetEncoder(Encoder):
    """Parquet: a row group a chunk, times as UTC timestamps."""

    media_type = "application/vnd.apache.parquet"
    suffix = "parquet"
    compressed = True

    def __init__(self, kind: Kind) -> None:
        self._read_as = schema(kind)
        self._schema = pa.schema(
            [
                field.with_type(pa.timestamp("ms", tz="UTC")) if field.name.endswith("LastUpdate") else field
                for field in self._read_as
            ]
        )
        self._out = Sink()
        self._writer = parquet.ParquetWriter(self._out, self._schema, compression="zstd")

    def chunk(self, items: Sequence[Finding]) -> bytes:
        """Write a row group."""
        self._writer.write_table(to_table(items, self._read_as).cast(self._schema))
        return self._out.take()

    def end(self) -> bytes:
        """Write the footer."""
        self._writer.close()
        return self._out.take()


class S3BatchEncoder(Encoder):
    """A manifest for S3 Batch Operations: bucket and URL-encoded key, no header."""

    media_type = "text/csv; charset=utf-8"
    suffix = "s3batch.csv"

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def chunk(self, items: Sequence[Finding]) -> bytes:
        """Write some objects; an encoded key has neither comma nor quote in it."""
        return "".join(f"{self._bucket},{quote(item.keyPath)}\n" for item in items).encode()


def encoder(name: ExportFormat, kind: Kind, *, bucket: str, spreadsheet: bool) -> Encoder:
    """Make the encoder of a format."""
    match name:
        case "ndjson":
            return NdjsonEncoder()
        case "csv":
            return CsvEncoder(kind, spreadsheet=spreadsheet)
        case "parquet":
            return ParquetEncoder(kind)
        case "s3batch":
            return S3BatchEncoder(bucket)


def schema(kind: Kind) -> pa.Schema:
    """Give the columns of a kind as they are in JSON: sizes and times are numbers, all else is text."""
    numbers = ("SizeInBytes", "LastUpdate")
    return pa.schema([(name, pa.int64() if name.endswith(numbers) else pa.string()) for name in kind.columns])


def to_table(items: Sequence[Finding], columns: pa.Schema) -> pa.Table:
    """Put items side by side, as columns."""
    values = zip(*map(msgspec.structs.astuple, items), strict=True)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(values, columns, strict=True)], schema=columns
    )


def harmless(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Put an apostrophe before every text that a spreadsheet would take for a formula."""
    return pc.if_else(pc.match_substring_regex(texts, FORMULA), pc.binary_join_element_wise("'", texts, ""), texts)
