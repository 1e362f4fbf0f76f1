"""Number a file's rows for the second pass, and turn the failure to read on into a last row that says so."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable

import pyarrow as pa

from app.db.stream import Batches, Stream
from app.inventory.formats.reader import NUMBERING


def numbered(schema: pa.Schema, batches: Callable[[], Batches], unreadable: str) -> Stream:
    """Add `NUMBERING` to batches of `schema`; `unreadable` is what is said of the row at which reading fails."""
    with_numbers = pa.schema([*schema, *NUMBERING])
    return Stream(with_numbers, lambda: _number(with_numbers, batches(), unreadable))


def _number(schema: pa.Schema, batches: Batches, unreadable: str) -> Batches:
    row = 1
    try:
        for batch in batches:
            sound = batch.slice(0, _sound_rows(batch))
            numbers = pa.arange(row, row + sound.num_rows)
            yield pa.record_batch([*sound.columns, numbers, pa.nulls(sound.num_rows, pa.string())], schema=schema)
            row += sound.num_rows
            if sound.num_rows < batch.num_rows:
                yield fault_row(schema, row, "it holds text that is not UTF-8")
                return
    except (pa.ArrowException, OSError):
        yield fault_row(schema, row, unreadable)


def _sound_rows(batch: pa.RecordBatch) -> int:
    """Count the rows before the first that holds text which is no UTF-8."""
    if is_sound(batch):
        return int(batch.num_rows)
    return bisect(range(batch.num_rows), 0, key=lambda last: int(not is_sound(batch.slice(0, last + 1))))


def is_sound(batch: pa.RecordBatch) -> bool:
    """Tell whether all text in a batch is UTF-8, which DuckDB takes on trust."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def fault_row(schema: pa.Schema, row: int, fault: str) -> pa.RecordBatch:
    """Give a batch of one row that holds nothing but its number and its fault."""
    values = {"row_number": row, "row_fault": fault}
    return pa.record_batch([pa.array([values.get(field.name)], field.type) for field in schema], schema=schema)
