"""Read gzipped CSV once more, field by field, to find the first row that cannot be read and say why.

This is slow, and runs only when something is known to be wrong. What it takes for right and wrong has to be what
`app.inventory.formats.csvgz` does; a test holds the two to each other.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from io import BufferedReader, RawIOBase, TextIOWrapper
from itertools import islice
from urllib.parse import unquote_to_bytes

import pyarrow as pa

from app.db.stream import Batches
from app.inventory.formats.inflate import Inflated
from app.inventory.formats.numbering import fault_row
from app.inventory.formats.reader import RAW, DataPath

MOST_LINE_CHARACTERS = 1 << 20
_ROWS = 1000

Value = str | bool | int | datetime | None


class Unreadable(ValueError):
    """A row that cannot be read; the text is the rest of a sentence that begins with the row."""


def exact_batches(file: DataPath, columns: tuple[str, ...], schema: pa.Schema) -> Batches:
    """Read up to the first row that cannot be read, which becomes a row of its own with its fault."""
    numbered = enumerate(_rows(file, columns), start=1)
    row = 0
    values: list[Mapping[str, Value]] = []
    fault: str | None = None
    while fault is None:
        values.clear()
        try:
            for row, read in islice(numbered, _ROWS):
                values.append(read | {"row_number": row})
        except (Unreadable, csv.Error, OSError) as error:
            fault = str(error)
        if values:
            yield pa.RecordBatch.from_pylist(values, schema=schema)
        elif fault is None:
            return
    yield fault_row(schema, row + 1, fault)


def _rows(file: DataPath, columns: tuple[str, ...]) -> Iterator[dict[str, Value]]:
    """Read and check each row. Raises `Unreadable`, `csv.Error` or `OSError` at the first that cannot be read."""
    wanted = [(position, RAW[name].name, _CHECKS[name]) for position, name in enumerate(columns) if name in RAW]
    with TextIOWrapper(
        BufferedReader(_Raw(Inflated(file))), encoding="utf-8-sig", errors="surrogateescape", newline=""
    ) as text:
        for fields in filter(None, csv.reader(_lines(text), strict=True)):  # a blank line is no row
            if len(fields) != len(columns):
                raise Unreadable(f"it has {len(fields)} fields, and fileSchema promises {len(columns)}")
            yield {name: check(fields[position]) for position, name, check in wanted}


def _lines(text: TextIOWrapper) -> Iterator[str]:
    """Give the lines with their ends, none so long that it would fill the memory."""
    while line := text.readline(MOST_LINE_CHARACTERS):
        if len(line) == MOST_LINE_CHARACTERS:
            raise Unreadable(f"it is longer than {MOST_LINE_CHARACTERS} characters")
        yield line


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unreadable("it holds text that is not UTF-8") from None
    return value


def _key(value: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise Unreadable(f'its key "{_shortened(value)}" is not URL-encoded')
    try:
        return unquote_to_bytes(_text(value).replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise Unreadable(f'its key "{_shortened(value)}" is not UTF-8 once it is decoded') from None


def _truth(name: str) -> Callable[[str], bool | None]:
    def check(value: str) -> bool | None:
        if value not in {"true", "false", ""}:
            raise Unreadable(f'{name} is "{_shortened(value)}", and must be true or false')
        return None if value == "" else value == "true"

    return check


def _size(value: str) -> int | None:
    if value == "":
        return None
    if not re.fullmatch(r"-?[0-9]+", value) or not -(2**63) <= int(value) < 2**63:
        raise Unreadable(f'Size is "{_shortened(value)}", and must be a whole number')
    return int(value)


def _time(value: str) -> datetime | None:
    if value == "":
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        expected = "and must be a time such as 2024-05-06T22:37:48.000Z"
        raise Unreadable(f'LastModifiedDate is "{_shortened(value)}", {expected}')
    return time


def _shortened(value: str) -> str:
    return ascii(value[:100])[1:-1]


_CHECKS: dict[str, Callable[[str], Value]] = {
    "Bucket": _text,
    "Key": _key,
    "IsLatest": _truth("IsLatest"),
    "IsDeleteMarker": _truth("IsDeleteMarker"),
    "Size": _size,
    "LastModifiedDate": _time,
    "ETag": _text,
    "StorageClass": _text,
}


class _Raw(RawIOBase):
    """The inflated file as Python's text layer wants to have it."""

    def __init__(self, inflated: Inflated) -> None:
        self._inflated = inflated

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub names no concrete buffer
        piece = self._inflated.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._inflated.close()
        super().close()
