"""What the relation promises to those who read it: CSV's own ways, time zones, repetition, several readers."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from gzip import compress
from pathlib import Path

import duckdb
import psutil
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db.duck import open_duckdb
from app.inventory.columns import FileFormat
from app.inventory.relation import InventoryFiles
from tests.inventory.building import (
    ALL,
    BUCKET,
    FORMATS,
    Row,
    answers,
    csv_gz,
    csv_text,
    duckdb_of_the_tests,
    expected,
    inventory,
    written,
)

KEY_BYTES = 1024  # as many as S3 allows


def keys_of(files: InventoryFiles) -> list[str]:
    return [key for key, *_ in answers(files)]


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        ("a%20b", "a b"),
        ("a+b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%2bb", "a+b"),
        ("100%25", "100%"),
        ("%2541", "%41"),
        ("%C3%BC/%E4%B8%AD", "ü/中"),
        ("%F0%9F%9B%B0", "🛰"),
        ("raw ü", "raw ü"),
        ("%22quoted%22", '"quoted"'),
        ('"quoted"', '"quoted"'),
        ("%0A", "\n"),
        ("two\nlines", "two\nlines"),
        ("two\r\nlines", "two\r\nlines"),
        ("a,b;c\td", "a,b;c\td"),
        ("%e2%80%a8", "\u2028"),
        (" leading and trailing ", " leading and trailing "),
        ("NULL", "NULL"),
        ("n/a", "n/a"),
    ],
)
def test_the_keys_of_csv_are_decoded(tmp_path: Path, encoded: str, decoded: str) -> None:
    fields = [encoded if column == "Key" else text for column, text in zip(ALL, csv_text(Row("")), strict=True)]
    assert keys_of(written(tmp_path, "CSV", [csv_gz([fields])])) == [decoded]


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
@pytest.mark.parametrize("key", ["a%20b", "a+b", "100%", "%zz", "two\nlines", "ü"])
def test_the_keys_of_the_columnar_formats_are_not(tmp_path: Path, file_format: FileFormat, key: str) -> None:
    assert keys_of(inventory(tmp_path, file_format, [[Row(key)]])) == [key]


KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda key: len(key.encode()) <= KEY_BYTES
)
ROWS = st.builds(
    Row,
    key=KEYS,
    is_latest=st.booleans(),
    is_delete_marker=st.booleans(),
    size=st.none() | st.integers(0, 2**63 - 1),
    last_modified_date=st.none()
    | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  (hypothesis adds the zone)
        lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
    ),
    e_tag=st.none() | st.from_regex(r"[0-9a-f]{32}(-[1-9][0-9]?)?", fullmatch=True),
    storage_class=st.none() | st.sampled_from(["STANDARD", "GLACIER", "DEEP_ARCHIVE"]),
)


@pytest.mark.parametrize("file_format", FORMATS)
@given(parts=st.lists(st.lists(ROWS, max_size=5), max_size=3))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_goes_in_comes_out(tmp_path: Path, file_format: FileFormat, parts: list[list[Row]]) -> None:
    rows = [row for part in parts for row in part]
    assert answers(inventory(tmp_path, file_format, parts)) == expected(rows)


@given(rows=st.lists(ROWS, min_size=1, max_size=5), line_end=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_of_csv_may_end_in_either_way(tmp_path: Path, rows: list[Row], line_end: str, last: bool) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=line_end).writerows(csv_text(row) for row in rows)
    content = text.getvalue() if last else text.getvalue().removesuffix(line_end)
    assert answers(written(tmp_path, "CSV", [compress(content.encode())])) == expected(rows)


@pytest.mark.parametrize(
    ("written_as", "instant"),
    [
        ("2024-05-06T22:37:48.000Z", datetime(2024, 5, 6, 22, 37, 48, tzinfo=UTC)),
        ("2024-05-06T22:37:48Z", datetime(2024, 5, 6, 22, 37, 48, tzinfo=UTC)),
        ("2024-05-06T22:37:48.123456Z", datetime(2024, 5, 6, 22, 37, 48, 123456, tzinfo=UTC)),
        ("2024-05-06T22:37:48.000+00:00", datetime(2024, 5, 6, 22, 37, 48, tzinfo=UTC)),
        ("2024-05-06T22:37:48.000+02:00", datetime(2024, 5, 6, 20, 37, 48, tzinfo=UTC)),
        ("", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_times_of_csv_are_instants(tmp_path: Path, written_as: str, instant: datetime) -> None:
    content = csv_gz([[BUCKET, "a", written_as]])
    [(_, _, _, found, _)] = answers(written(tmp_path, "CSV", [content], ["Bucket", "Key", "LastModifiedDate"]))
    assert found == instant


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_the_zone_of_the_session_changes_nothing(tmp_path: Path, file_format: FileFormat, zone: str) -> None:
    files = inventory(tmp_path, file_format, [[Row("a"), Row("b", last_modified_date=None)]])
    with open_duckdb(256 << 20) as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        instants = files.latest(connection).order("key_path").select("last_update").to_arrow_table()["last_update"]
    assert instants.cast(pa.int64()).to_pylist() == [1769949015123000, 0]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_relation_can_be_read_again(tmp_path: Path, file_format: FileFormat) -> None:
    files = inventory(tmp_path, file_format, [[Row("a")], [Row("b")]])
    with open_duckdb(256 << 20) as connection:
        counted = files.latest(connection).aggregate("count(*)")
        assert [counted.fetchall() for _ in range(3)] == [[(2,)]] * 3


@pytest.mark.parametrize("file_format", FORMATS)
def test_no_column_is_ever_null(tmp_path: Path, file_format: FileFormat) -> None:
    empty = Row("a", size=None, last_modified_date=None, e_tag=None, storage_class=None, version_id=None)
    assert answers(inventory(tmp_path, file_format, [[empty]])) == expected([empty])


@pytest.mark.parametrize("file_format", FORMATS)
def test_delete_markers_can_be_had_too(tmp_path: Path, file_format: FileFormat) -> None:
    rows = [Row("a"), Row("b", is_delete_marker=True, size=None), Row("b", is_latest=False)]
    with open_duckdb(256 << 20) as connection:
        latest = inventory(tmp_path, file_format, [rows]).latest(connection)
        assert latest.columns[-1] == "delete_marker"
        assert sorted(latest.select("key_path, delete_marker").fetchall()) == [("a", False), ("b", True)]


@pytest.mark.parametrize("file_format", FORMATS)
def test_several_cursors_read_their_own_files_at_once(tmp_path: Path, file_format: FileFormat) -> None:
    files = inventory(tmp_path, file_format, [[Row(f"{part}/{row}") for row in range(2000)] for part in range(8)])
    found: list[str] = []

    def read(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> None:
        for batch in files.latest(connection, paths).to_arrow_reader(500):
            found.extend(batch.column("key_path").to_pylist())

    with duckdb_of_the_tests() as connection:
        threads = [threading.Thread(target=read, args=(connection.cursor(), files.paths[n::4])) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == sorted(f"{part}/{row}" for part in range(8) for row in range(2000))


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_reader_that_stops_early_leaves_no_thread_behind(tmp_path: Path, file_format: FileFormat) -> None:
    files = inventory(tmp_path, file_format, [[Row(f"{part}/{row}") for row in range(3000)] for part in range(8)])
    with duckdb_of_the_tests() as connection:
        assert len(files.latest(connection).select("key_path").limit(1).fetchall()) == 1
        reader = files.latest(connection).to_arrow_reader(100)
        assert reader.read_next_batch().num_rows > 0
        del reader
    for thread in threading.enumerate():
        if thread.name == "inventory-reader":
            thread.join(timeout=5)
            assert not thread.is_alive()


def test_nothing_is_loaded_or_installed(tmp_path: Path) -> None:
    with open_duckdb(256 << 20) as connection:
        connection.execute("SET extension_directory = ?", [str(tmp_path / "extensions")])
        for file_format in FORMATS:
            inventory(tmp_path, file_format, [[Row("a%2B")]]).latest(connection).order("key_path").to_arrow_table()
        assert not (tmp_path / "extensions").exists()


def test_memory_stays_flat(tmp_path: Path) -> None:
    rows = 200_000
    lines = [[BUCKET, f"folder/{row:09d}", "true", "false"] for row in range(rows)]
    columns = ["Bucket", "Key", "IsLatest", "IsDeleteMarker"]
    files = written(tmp_path, "CSV", [csv_gz(lines)], columns)
    del lines
    process = psutil.Process()
    before, most, read = process.memory_info().rss, 0, 0
    with open_duckdb(128 << 20, threads=2) as connection:
        for batch in files.latest(connection).to_arrow_reader(20_000):
            read += batch.num_rows
            most = max(most, process.memory_info().rss)
    assert read == rows
    assert most - before < 100 << 20


def test_old_times_are_kept(tmp_path: Path) -> None:
    old = datetime(2006, 3, 14, tzinfo=UTC) - timedelta(days=36525)
    row = Row("a", last_modified_date=old)
    assert {fmt: answers(inventory(tmp_path, fmt, [[row]])) for fmt in FORMATS} == dict.fromkeys(
        FORMATS, expected([row])
    )
