"""The table of format x missing field x drift of types: whatever S3 leaves out or changes, the rows stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pytest

from app.db.duck import open_duckdb
from app.inventory.columns import FileFormat
from tests.inventory.building import (
    ALL,
    FORMATS,
    NAMES,
    TYPES,
    Row,
    answers,
    arrow,
    csv_gz,
    csv_text,
    expected,
    inventory,
    orc_bytes,
    parquet_bytes,
    written,
)

OLD = datetime(2019, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
ROWS = [
    Row("folder/", size=0, storage_class="STANDARD"),
    Row("latest", is_latest=True),
    Row("latest", is_latest=False, size=4, last_modified_date=OLD),
    Row("deleted", is_delete_marker=True, size=None, e_tag=None, storage_class=None),
    Row("deleted", is_latest=False),
    Row("once deleted", is_latest=False, is_delete_marker=True, size=None, e_tag=None, storage_class=None),
    Row("once deleted", e_tag='"0123456789abcdef0123456789abcdef-7"', storage_class="DEEP_ARCHIVE"),
    Row("large", size=5 * 1024**4, last_modified_date=OLD),
    Row("ü/中文/a+b %41.hdf", version_id=None),
]
OPTIONAL = ("VersionId", "Size", "LastModifiedDate", "ETag", "StorageClass", "IsDeleteMarker")


def unquoted(rows: list[Row]) -> list[Row]:
    return [Row(**{**vars(row), "e_tag": row.e_tag.strip('"') if row.e_tag else None}) for row in rows]


@pytest.mark.parametrize("file_format", FORMATS)
def test_only_latest_versions_that_are_no_delete_markers_are_in_s3(tmp_path: Path, file_format: FileFormat) -> None:
    found = answers(inventory(tmp_path, file_format, [ROWS]))
    assert found == expected(unquoted(ROWS))
    assert [key for key, *_ in found] == ["folder/", "large", "latest", "once deleted", "ü/中文/a+b %41.hdf"]


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("missing", [*((name,) for name in OPTIONAL), *combinations(OPTIONAL, 5), OPTIONAL])
def test_every_optional_field_may_be_missing(tmp_path: Path, file_format: FileFormat, missing: tuple[str, ...]) -> None:
    columns = [name for name in ALL if name not in missing]
    rows = [row for row in ROWS if not row.is_delete_marker] if "IsDeleteMarker" in missing else ROWS
    assert answers(inventory(tmp_path, file_format, [rows], columns)) == expected(unquoted(rows), columns)


@pytest.mark.parametrize("file_format", FORMATS)
def test_without_is_latest_every_row_is_a_current_version(tmp_path: Path, file_format: FileFormat) -> None:
    columns = [name for name in ALL if name not in {"IsLatest", "VersionId"}]
    rows = [Row("a", is_latest=None), Row("b", is_latest=None, is_delete_marker=True), Row("c", is_latest=None)]
    assert [key for key, *_ in answers(inventory(tmp_path, file_format, [rows], columns))] == ["a", "c"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_bucket_and_key_are_enough(tmp_path: Path, file_format: FileFormat) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert answers(inventory(tmp_path, file_format, [[Row("a")]], ["Key", "Bucket"])) == [("a", "", 0, epoch, "")]


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_columns_may_come_in_any_order(tmp_path: Path, file_format: FileFormat) -> None:
    assert answers(inventory(tmp_path, file_format, [ROWS], ALL[::-1])) == expected(unquoted(ROWS))


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("parts", [[], [[]], [[], ROWS, []], [ROWS[:3], ROWS[3:5], ROWS[5:]]])
def test_the_rows_may_be_in_any_number_of_files(
    tmp_path: Path, file_format: FileFormat, parts: list[list[Row]]
) -> None:
    rows = [row for part in parts for row in part]
    assert answers(inventory(tmp_path, file_format, parts)) == expected(unquoted(rows))


DRIFT: dict[str, Mapping[str, pa.DataType]] = {
    "seconds": {"last_modified_date": pa.timestamp("s", tz="UTC")},
    "microseconds": {"last_modified_date": pa.timestamp("us", tz="UTC")},
    "nanoseconds": {"last_modified_date": pa.timestamp("ns", tz="UTC")},
    "another zone": {"last_modified_date": pa.timestamp("ms", tz="America/New_York")},
    "no zone": {"last_modified_date": pa.timestamp("ms")},
    "no zone, microseconds": {"last_modified_date": pa.timestamp("us")},
    "no zone, nanoseconds": {"last_modified_date": pa.timestamp("ns")},
    "small integers": {"size": pa.int32()},
    "unsigned integers": {"size": pa.uint64()},
    "bytes": dict.fromkeys(("bucket", "key", "e_tag", "storage_class"), pa.binary()),
    "large text": dict.fromkeys(("bucket", "key", "e_tag", "storage_class"), pa.large_string()),
    "dictionaries": dict.fromkeys(("bucket", "key", "storage_class"), pa.dictionary(pa.int32(), pa.string())),
    "nothing but nulls": {"e_tag": pa.null(), "storage_class": pa.null(), "size": pa.null()},
}
# What the two formats cannot write: ORC has no unsigned integers, no dictionary type and no column of nothing.
IMPOSSIBLE = {("ORC", "unsigned integers"), ("ORC", "nothing but nulls"), ("ORC", "dictionaries")}
DRIFTING = [(fmt, drift) for fmt in ("ORC", "Parquet") for drift in DRIFT if (fmt, drift) not in IMPOSSIBLE]


def drifted(file_format: str, rows: list[Row], drift: Mapping[str, pa.DataType]) -> bytes:
    table = arrow(rows, types={**TYPES, **drift})
    extra = table.append_column("is_multipart_uploaded", pa.array([False] * len(rows)))
    return parquet_bytes(extra) if file_format == "Parquet" else orc_bytes(extra)


def rows_for(drift: Mapping[str, pa.DataType]) -> list[Row]:
    nulls = {name: None for name, kind in drift.items() if kind == pa.null()}
    small = {"size": 5} if drift.get("size") == pa.int32() else {}
    whole = {"last_modified_date": OLD.replace(microsecond=0)} if drift == DRIFT["seconds"] else {}
    return [Row(**{**vars(row), **small, **whole, **nulls}) for row in unquoted(ROWS)]


@pytest.mark.parametrize(("file_format", "drift"), DRIFTING)
def test_types_may_drift(tmp_path: Path, file_format: FileFormat, drift: str) -> None:
    rows = rows_for(DRIFT[drift])
    assert answers(written(tmp_path, file_format, [drifted(file_format, rows, DRIFT[drift])])) == expected(rows)


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
@pytest.mark.parametrize("drift", ["no zone", "no zone, microseconds", "no zone, nanoseconds"])
def test_a_time_without_a_zone_is_utc_and_not_of_the_session_s_zone(
    tmp_path: Path, file_format: FileFormat, drift: str
) -> None:
    files = written(tmp_path, file_format, [drifted(file_format, [Row("a")], DRIFT[drift])])
    with open_duckdb(256 << 20) as connection:
        connection.execute("SET TimeZone = 'America/New_York'")
        instants = files.latest(connection).select("last_update").to_arrow_table()["last_update"]
    assert instants.cast(pa.timestamp("us", tz="UTC")).to_pylist() == [Row("a").last_modified_date]


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
def test_types_may_drift_from_file_to_file(tmp_path: Path, file_format: FileFormat) -> None:
    drifts = [drift for each, drift in DRIFTING if each == file_format]
    rows = [rows_for(DRIFT[drift]) for drift in drifts]
    contents = [drifted(file_format, part, DRIFT[drift]) for part, drift in zip(rows, drifts, strict=True)]
    assert answers(written(tmp_path, file_format, contents)) == expected([row for part in rows for row in part])


def test_the_oldest_of_parquets_times_is_read_too(tmp_path: Path) -> None:
    rows = unquoted(ROWS)
    content = parquet_bytes(arrow(rows), use_deprecated_int96_timestamps=True)
    assert answers(written(tmp_path, "Parquet", [content])) == expected(rows)


@pytest.mark.parametrize("file_format", FORMATS)
def test_unknown_columns_are_ignored(tmp_path: Path, file_format: FileFormat) -> None:
    columns = ["NewThing", *ALL, "ObjectOwner"]
    rows = unquoted(ROWS)
    table = arrow(rows)
    for name in ("NewThing", "ObjectOwner"):
        table = table.append_column(name, pa.array(["anything\0"] * len(rows)))
    content = {
        "CSV": lambda: csv_gz([["x", *csv_text(row), "y"] for row in rows]),
        "ORC": lambda: orc_bytes(table),
        "Parquet": lambda: parquet_bytes(table),
    }[file_format]()
    assert answers(written(tmp_path, file_format, [content], columns)) == expected(rows)


@pytest.mark.parametrize("name", ["a[1].parquet", "a*.parquet", "a?.parquet", "key=1.parquet", "o'clock.parquet"])
def test_a_files_name_is_no_pattern(tmp_path: Path, name: str) -> None:
    decoys = inventory(tmp_path, "Parquet", [[Row("decoy")]])
    folder = tmp_path / "bucket=decoy"
    folder.mkdir()
    for decoy in ("a1.parquet", "aa.parquet"):
        (folder / decoy).write_bytes(decoys.paths[0].read_bytes())
    (folder / name).write_bytes(parquet_bytes(arrow([Row("real")])))
    real = type(decoys)(decoys.manifest, (folder / name,))
    assert [key for key, *_ in answers(real)] == ["real"]


def test_the_table_of_names_is_complete() -> None:
    assert set(OPTIONAL) | {"Bucket", "Key", "IsLatest"} == set(NAMES)
