"""ORC and Parquet that are damaged or of another shape, and the file and the column that are named for it."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.inventory.columns import FileFormat
from tests.inventory.building import (
    EXTENSIONS,
    TYPES,
    Row,
    arrow,
    data_file,
    duckdb_of_the_tests,
    inventory,
    orc_bytes,
    parquet_bytes,
    written,
)
from tests.inventory.complaints import GOOD, complaint

FIXED = random.Random(20260301)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-100], "cannot be read as"),
        (lambda content: content[: len(content) // 2], "cannot be read as"),
        (lambda _: b"", "cannot be read as"),
        (lambda _: b"PAR1ORC", "cannot be read as"),
        (lambda content: content[:-20] + b"\xff" * 12 + content[-8:], "cannot be read as"),
        (lambda _: data_file("CSV", GOOD), "cannot be read as"),
    ],
    ids=["cut", "halved", "empty", "tiny", "footer", "csv"],
)
def test_a_columnar_file_that_is_damaged_is_named(
    tmp_path: Path, file_format: FileFormat, damage: Callable[[bytes], bytes], said: str
) -> None:
    good = data_file(file_format, GOOD)
    found = complaint(written(tmp_path, file_format, [good, damage(good)]))
    assert found.startswith(f"data/1.{EXTENSIONS[file_format]} {said} {file_format}")


# How a footer spells that there are 100 rows: Parquet's first says so of the file, ORC's last.
HUNDRED = {"Parquet": b"\x16\xc8\x01", "ORC": b"\x30\x64"}
MORE = {"Parquet": b"\x16\xca\x01", "ORC": b"\x30\x65"}


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
def test_a_footer_that_promises_more_rows_than_it_lists_is_not_believed(
    tmp_path: Path, file_format: FileFormat
) -> None:
    good = data_file(file_format, GOOD)
    hundred = HUNDRED[file_format]
    at = good.rindex(hundred) if file_format == "ORC" else good.index(hundred, good.index(b"schema"))
    bad = good[:at] + MORE[file_format] + good[at + len(hundred) :]
    found = complaint(written(tmp_path, file_format, [good, bad]))
    assert found.startswith(f"data/1.{EXTENSIONS[file_format]}")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("key", "row 2: it has no key"),
        ("is_latest", "row 2: IsLatest is empty, and must be true or false"),
        ("is_delete_marker", "row 2: IsDeleteMarker is empty, and must be true or false"),
        ("bucket", 'row 2: it belongs to bucket "", not to "orca-archive"'),
    ],
)
def test_statistics_that_are_untrue_let_no_fault_pass(tmp_path: Path, column: str, said: str) -> None:
    files = written(tmp_path, "Parquet", [with_untrue_statistics(column)])
    assert complaint(files) == f"data/0.parquet, {said}."


@pytest.mark.parametrize(
    ("column", "missing"), [("e_tag", ""), ("size", 0), ("storage_class", ""), ("last_modified_date", EPOCH)]
)
def test_what_is_missing_is_missed_whatever_statistics_say(tmp_path: Path, column: str, missing: object) -> None:
    files = written(tmp_path, "Parquet", [with_untrue_statistics(column)])
    with duckdb_of_the_tests() as connection:
        rows = files.latest(connection).fetchall()
    place = ["key", "e_tag", "size", "last_modified_date", "storage_class"].index(column)
    assert [row[place] == missing for row in sorted(rows)] == [False, True] * 4


def with_untrue_statistics(column: str) -> bytes:
    """Give a file in which half of a column's values are missing, and the footer says that none are."""
    table = arrow(GOOD[:8])
    place = table.column_names.index(column)
    values = [None if number % 2 else value for number, value in enumerate(table.column(column).to_pylist())]
    table = table.set_column(place, column, pa.array(values, table.schema.field(column).type))
    content = parquet_bytes(table, store_schema=False)
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for at in (at for at in range(footer, len(content) - 8) if content[at] == 2 * 4):  # how the footer spells four
        untrue = content[:at] + b"\0" + content[at + 1 :]
        with suppress(pa.ArrowException, OSError):
            statistics = pq.read_metadata(io.BytesIO(untrue)).row_group(0).column(place).statistics
            if statistics is not None and statistics.null_count == 0:
                return untrue
    raise AssertionError(f"the footer does not say how many values of {column} are missing")


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
def test_a_column_whose_name_is_no_text_is_said_to_be_damage(tmp_path: Path, file_format: FileFormat) -> None:
    good = data_file(file_format, GOOD)
    at = good.rindex(b"bucket") if file_format == "ORC" else good.index(b"bucket", good.index(b"schema"))
    bad = good[:at] + b"\xe9" + good[at + 1 :]
    assert "cannot be read as" in complaint(written(tmp_path, file_format, [bad]))


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
def test_a_columnar_file_that_is_damaged_inside_is_named(tmp_path: Path, file_format: FileFormat) -> None:
    rows = [Row(FIXED.randbytes(20).hex()) for _ in range(20_000)]
    good = bytearray(data_file(file_format, rows))
    good[5000:200_000] = FIXED.randbytes(195_000)
    found = complaint(written(tmp_path, file_format, [data_file(file_format, GOOD), bytes(good)]))
    assert found.startswith(f"data/1.{EXTENSIONS[file_format]}")


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
@pytest.mark.parametrize("name", ["bucket", "key", "is_latest", "is_delete_marker", "size", "e_tag", "storage_class"])
def test_a_column_that_the_schema_promises_has_to_be_there(tmp_path: Path, file_format: FileFormat, name: str) -> None:
    table = arrow(GOOD).drop_columns([name])
    content = parquet_bytes(table) if file_format == "Parquet" else orc_bytes(table)
    found = complaint(written(tmp_path, file_format, [data_file(file_format, GOOD), content]))
    extension = EXTENSIONS[file_format]
    assert found == f"data/1.{extension} has no column {name}, which the manifest's fileSchema promises."


WRONG_TYPES = {
    "key": (pa.int64(), "text"),
    "is_latest": (pa.string(), "true or false"),
    "is_delete_marker": (pa.int64(), "true or false"),
    "size": (pa.string(), "a whole number"),
    "last_modified_date": (pa.string(), "a time"),
    "e_tag": (pa.bool_(), "text"),
}


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
@pytest.mark.parametrize("name", WRONG_TYPES)
def test_a_column_of_the_wrong_type_is_named(tmp_path: Path, file_format: FileFormat, name: str) -> None:
    kind, expected = WRONG_TYPES[name]
    table = arrow([], types={**TYPES, name: kind})
    content = parquet_bytes(table) if file_format == "Parquet" else orc_bytes(table)
    found = complaint(written(tmp_path, file_format, [data_file(file_format, GOOD), content]))
    assert found.startswith(f"data/1.{EXTENSIONS[file_format]}: column {name} holds ")
    assert found.endswith(f", and must hold {expected}.")


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
def test_a_row_of_no_bucket_is_of_another_one(tmp_path: Path, file_format: FileFormat) -> None:
    found = complaint(inventory(tmp_path, file_format, [[*GOOD, Row("a", bucket=None)]]))
    assert found == f'data/0.{EXTENSIONS[file_format]}, row 101: it belongs to bucket "", not to "orca-archive".'


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
def test_text_that_is_not_utf8_is_named(tmp_path: Path, file_format: FileFormat) -> None:
    good, bad = [row.key.encode() for row in GOOD[:41]], b"a\xffb"
    offsets, data = [0], b""
    for key in [*good, bad, *good]:
        data += key
        offsets.append(len(data))
    keys = pa.StringArray.from_buffers(
        len(offsets) - 1, pa.py_buffer(pa.array(offsets, pa.int32()).buffers()[1]), pa.py_buffer(data)
    )
    table = arrow(GOOD[: len(keys)])
    table = table.set_column(table.column_names.index("key"), "key", keys)
    content = parquet_bytes(table) if file_format == "Parquet" else orc_bytes(table)
    found = complaint(written(tmp_path, file_format, [content]))
    assert found == f"data/0.{EXTENSIONS[file_format]}, row 42: it holds text that is not UTF-8."
