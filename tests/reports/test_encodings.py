"""Findings as files: nothing is lost in any of them, and a spreadsheet gets no formula."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import unquote

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from app.reports.encodings import CsvEncoder, Encoder, NdjsonEncoder, ParquetEncoder, S3BatchEncoder
from app.reports.findings import KINDS, MISMATCHES, ORPHANS, PHANTOMS, Kind, as_dicts, finding_type

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
NUMBERS = st.integers(-(2**63), 2**63 - 1)
TIMES = st.integers(0, 4 * 10**12)


def items_of(kind: Kind) -> st.SearchStrategy[dict[str, Any]]:
    def values(name: str) -> st.SearchStrategy[Any]:
        if name.endswith("LastUpdate"):
            return TIMES
        return NUMBERS if name.endswith("SizeInBytes") else st.none() | TEXTS if name == "comment" else TEXTS

    return st.fixed_dictionaries({name: values(name) for name in kind.columns})


each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


def encoded(encoder: Encoder, kind: Kind, *chunks: list[dict[str, Any]]) -> bytes:
    parts = [encoder.chunk([finding_type(kind.columns)(**item) for item in chunk]) for chunk in chunks if chunk]
    return b"".join([*parts, encoder.end()])


@each_kind
@given(data=st.data())
def test_every_format_holds_every_value(kind: Kind, data: st.DataObject) -> None:
    first, second = (data.draw(st.lists(items_of(kind), max_size=5)) for _ in range(2))
    items = first + second

    ndjson = encoded(NdjsonEncoder(), kind, first, second)
    assert [orjson.loads(line) for line in ndjson.split(b"\n")[:-1]] == items

    table = parquet.read_table(io.BytesIO(encoded(ParquetEncoder(kind), kind, first, second)))
    times = [name for name in kind.columns if name.endswith("LastUpdate")]
    read = table.to_pylist()
    for row in read:
        row.update({name: round(row[name].timestamp() * 1000) for name in times})
    assert read == items
    assert table.column_names == list(kind.columns)

    rows = read_csv(encoded(CsvEncoder(kind, spreadsheet=False), kind, first, second))
    assert rows == [{name: "" if value is None else str(value) for name, value in item.items()} for item in items]


def read_csv(raw: bytes) -> list[dict[str, str]]:
    """Read CSV the way of RFC 4180, where a quoted line break is part of its value."""
    return list(csv.DictReader(io.StringIO(raw.decode(), newline="")))


@given(st.lists(items_of(MISMATCHES), min_size=1, max_size=5))
def test_a_spreadsheet_gets_no_formula(items: list[dict[str, Any]]) -> None:
    raw = encoded(CsvEncoder(MISMATCHES, spreadsheet=True), MISMATCHES, items)
    assert raw.startswith(b"\xef\xbb\xbf")
    for row, item in zip(read_csv(raw[3:]), items, strict=True):
        for name, value in item.items():
            if isinstance(value, str):
                guarded = value[0] in "=+-@\t\r\n"
                assert row[name] == ("'" + value if guarded else value)
            elif value is not None:
                assert row[name] == str(value)


@given(st.lists(items_of(ORPHANS), min_size=1, max_size=5))
def test_s3_batch_operations_get_bucket_and_encoded_key(items: list[dict[str, Any]]) -> None:
    lines = encoded(S3BatchEncoder("orca-archive"), ORPHANS, items).decode().splitlines()
    assert [line.count(",") for line in lines] == [1] * len(items)
    assert all(line.isascii() and '"' not in line for line in lines)
    assert [unquote(line.partition(",")[2]) for line in lines] == [item["keyPath"] for item in items]


def test_a_report_without_findings_is_a_file_all_the_same() -> None:
    assert encoded(NdjsonEncoder(), PHANTOMS) == b""
    assert encoded(S3BatchEncoder("b"), ORPHANS) == b""
    assert (
        encoded(CsvEncoder(PHANTOMS, spreadsheet=False), PHANTOMS).decode().replace('"', "")
        == ",".join(PHANTOMS.columns) + "\n"
    )
    assert parquet.read_table(io.BytesIO(encoded(ParquetEncoder(PHANTOMS), PHANTOMS))).num_rows == 0


def test_what_says_something_else_than_a_finding_does_is_not_read_as_one() -> None:
    item = dict.fromkeys(ORPHANS.columns)
    read_finding = msgspec.json.Decoder(finding_type(ORPHANS.columns)).decode
    assert as_dicts([read_finding(orjson.dumps(item))]) == [item]
    for other in (item | {"more": 1}, {"keyPath": "k"}):
        with pytest.raises(msgspec.ValidationError):
            read_finding(orjson.dumps(other))
