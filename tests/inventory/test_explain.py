"""Bad input, and the file, the row and the reason that are named for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from gzip import compress
from pathlib import Path

import duckdb
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db.duck import open_duckdb
from app.inventory.columns import FileFormat
from app.inventory.formats.inflate import ALWAYS_ALLOWED
from tests.inventory.building import (
    ALL,
    BUCKET,
    EXTENSIONS,
    FORMATS,
    Row,
    answers,
    csv_gz,
    csv_text,
    duckdb_of_the_tests,
    inventory,
    written,
)
from tests.inventory.complaints import GOOD, complaint

FIXED = random.Random(20260301)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(
    ("row", "said"),
    [
        (Row("a", bucket="other"), 'it belongs to bucket "other", not to "orca-archive"'),
        (Row("a", bucket="other", is_latest=False), 'it belongs to bucket "other", not to "orca-archive"'),
        (Row(""), "it has no key"),
        (Row("nul\0inside"), "it holds a NUL character, which the database cannot store"),
        (Row("a", e_tag="d8e8\0fca"), "it holds a NUL character, which the database cannot store"),
        (Row("a", storage_class="GLA\0CIER"), "it holds a NUL character, which the database cannot store"),
        (Row("k" * 1025), "its key has 1025 bytes, and S3 allows 1024"),
        (Row("ü" * 513), "its key has 1026 bytes, and S3 allows 1024"),
        (Row("a", is_latest=None), "IsLatest is empty, and must be true or false"),
        (Row("a", is_delete_marker=None), "IsDeleteMarker is empty, and must be true or false"),
        (Row("a", size=-1), "Size is -1, and cannot be negative"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named(tmp_path: Path, file_format: FileFormat, row: Row, said: str) -> None:
    parts = [GOOD, [*GOOD[:41], row, Row("also bad", size=-2), *GOOD], [Row("worse", bucket="other")]]
    found = complaint(inventory(tmp_path, file_format, parts))
    assert found == f"data/1.{EXTENSIONS[file_format]}, row 42: {said}."


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("flags", [(None, None), (False, True), (True, True), (True, None)])
def test_no_reader_gets_around_a_row_that_breaks_a_rule(
    tmp_path: Path, file_format: FileFormat, flags: tuple[bool | None, bool | None]
) -> None:
    bad = Row("zzz", bucket="other", is_latest=flags[0], is_delete_marker=flags[1])
    files = inventory(tmp_path, file_format, [[*GOOD, bad]])
    readers: list[Callable[[duckdb.DuckDBPyRelation], duckdb.DuckDBPyRelation]] = [
        lambda relation: relation.aggregate("count(*)"),
        lambda relation: relation.select("etag"),
        lambda relation: relation.filter("key_path = 'good/1'").select("key_path"),
        lambda relation: relation.filter("key_path LIKE 'good/%' AND size_in_bytes = 5").select("size_in_bytes"),
        lambda relation: (
            relation.query("s3", "SELECT c FROM s3 JOIN (VALUES ('good/1'), ('good/2')) t(c) ON key_path = c")
            or relation
        ),
        lambda relation: (
            relation.query("s3", "SELECT c FROM (VALUES ('good/1')) t(c) SEMI JOIN s3 ON key_path = c") or relation
        ),
        lambda relation: relation.order("key_path").limit(3).select("key_path"),
    ]
    with duckdb_of_the_tests() as connection:
        for reader in readers:
            with pytest.raises(duckdb.Error, match='it belongs to bucket "other"'):
                reader(files.latest(connection)).fetchall()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"IsLatest": "TRUE"}, 'IsLatest is "TRUE", and must be true or false'),
        ({"IsDeleteMarker": "0"}, 'IsDeleteMarker is "0", and must be true or false'),
        ({"Size": "5.0"}, 'Size is "5.0", and must be a whole number'),
        ({"Size": "five"}, 'Size is "five", and must be a whole number'),
        ({"Size": "9223372036854775808"}, 'Size is "9223372036854775808", and must be a whole number'),
        ({"Size": "-7"}, "Size is -7, and cannot be negative"),
        ({"LastModifiedDate": "yesterday"}, 'LastModifiedDate is "yesterday", and must be a time such as'),
        ({"LastModifiedDate": "2024-05-06T22:37:48"}, 'LastModifiedDate is "2024-05-06T22:37:48", and must be a time'),
        ({"LastModifiedDate": "2024-13-06T22:37:48Z"}, 'LastModifiedDate is "2024-13-06T22:37:48Z", and must be'),
        ({"Key": "100%"}, 'its key "100%" is not URL-encoded'),
        ({"Key": "a%2"}, 'its key "a%2" is not URL-encoded'),
        ({"Key": "a%zzb"}, 'its key "a%zzb" is not URL-encoded'),
        ({"Key": "a%FFb"}, 'its key "a%FFb" is not UTF-8 once it is decoded'),
        ({"Key": "a%ED%A0%80"}, 'its key "a%ED%A0%80" is not UTF-8 once it is decoded'),
        ({"Key": "a%00b"}, "it holds a NUL character"),
        ({"Key": "a\udcffb"}, "it holds text that is not UTF-8"),
        ({"Bucket": ""}, 'it belongs to bucket "", not to "orca-archive"'),
    ],
)
def test_a_field_of_csv_that_cannot_be_read_is_named(tmp_path: Path, changes: Mapping[str, str], said: str) -> None:
    good = [csv_text(row) for row in GOOD]
    bad = [changes.get(column, text) for column, text in zip(ALL, csv_text(Row("a")), strict=True)]
    assert f"data/1.csv.gz, row 51: {said}" in complaint(
        written(tmp_path, "CSV", [csv_gz(good), csv_gz([*good[:50], bad, bad, *good])])
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'"orca-archive","a"\n', "row 3: it has 2 fields, and fileSchema promises 9"),
        (
            b'"orca-archive","a","b","true","false","5","","","","more"\n',
            "row 3: it has 10 fields, and fileSchema promises",
        ),
        (b'\n\n"orca-archive"\n', "row 3: it has 1 fields, and fileSchema promises 9"),
        (b'"orca-archive","a', "row 3: its text stops in the middle of a row"),
        (b'"orca-archive","a","b","true","false","5","","","GLAC', "row 3: its text stops in the middle of a row"),
        (b'"orca-archive","a","b","true","false","5","","","', "row 3: its text stops in the middle of a row"),
        (b'"orca-archive","a","b","true","false","5","","","GLA\n', "row 3: its text stops in the middle of a row"),
        (b'"' + b"x" * 3_000_000 + b'"\n', "row 3: it is longer than 1048576 characters"),
        (b'"' + b"x,\n" * 1_000_000 + b'"\n', "row 3: field larger than field limit"),
    ],
)
def test_a_row_of_csv_that_is_none_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    good = b'"orca-archive","a","","true","false","5","2024-05-06T22:37:48.000Z","","GLACIER"\n'
    files = written(tmp_path, "CSV", [compress(good * 2 + line)])
    assert complaint(files).startswith(f"data/0.csv.gz, {said}")


def test_a_field_of_csv_may_hold_line_ends(tmp_path: Path) -> None:
    """Even where the last line looks by itself as if it were cut off."""
    line = b'"orca-archive","a","","true","false","5","2024-05-06T22:37:48.000Z","","GLA\nCIER"\n'
    assert [answer[4] for answer in answers(written(tmp_path, "CSV", [compress(line)]))] == ["GLA\nCIER"]


CSV_ROWS = b"".join(
    b'"orca-archive","%d","","true","false","5","","%s","X"\n' % (n, FIXED.randbytes(16).hex().encode())
    for n in range(5000)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (compress(CSV_ROWS)[:-50_000], "its gzip is truncated"),
        (compress(CSV_ROWS)[:-4], "its gzip is truncated"),
        (compress(CSV_ROWS)[:-8] + b"12345678", "CRC check failed"),
        (compress(CSV_ROWS) + b"something else", "Not a gzipped file"),
        (CSV_ROWS, "Not a gzipped file"),
        (b"", "it is empty"),
    ],
)
def test_a_gzip_that_is_damaged_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    found = complaint(written(tmp_path, "CSV", [compress(CSV_ROWS), content]))
    assert found.startswith("data/1.csv.gz")
    assert said in found


@pytest.mark.parametrize(
    "piece",
    [b"\n", b"\0", b'"', b'"orca-archive","a","","true","false","5","","","' + b"x" * 5000 + b'"\n'],
    ids=["newlines", "zeros", "quotes", "rows"],
)
def test_a_gzip_that_inflates_absurdly_is_stopped_in_flat_memory(tmp_path: Path, piece: bytes) -> None:
    files = written(tmp_path, "CSV", [compress(piece * (10 * ALWAYS_ALLOWED // len(piece)))])
    before = psutil.Process().memory_info().rss
    assert complaint(files) == "data/0.csv.gz cannot be read: it inflates to more than 500 times its size."
    # Of the 160 MiB that are in there; a worker of the test session has other things that come and go.
    assert psutil.Process().memory_info().rss - before < 80 << 20


def test_what_repeats_itself_for_a_good_reason_is_not_absurd(tmp_path: Path) -> None:
    folder = "%E4%B8%AD" * 300
    lines = b"".join(b'"%s","%s/%09d"\n' % (BUCKET.encode(), folder.encode(), n) for n in range(7000))
    assert len(lines) > 250 * len(compress(lines, 9))
    assert len(lines) > ALWAYS_ALLOWED
    files = written(tmp_path, "CSV", [compress(lines, 9)], ["Bucket", "Key"])
    with duckdb_of_the_tests() as connection:
        assert files.latest(connection).aggregate("count(*)").fetchall() == [(7000,)]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_key_that_is_listed_twice_is_named_with_its_places(tmp_path: Path, file_format: FileFormat) -> None:
    twice = Row("a b/+%41.hdf")
    older = Row("a b/+%41.hdf", is_latest=False)
    files = inventory(tmp_path, file_format, [[*GOOD[:5], older, twice], [older, *GOOD[5:9], twice]])
    extension = EXTENSIONS[file_format]
    with duckdb_of_the_tests() as connection:
        assert str(files.explain_duplicate(connection, twice.key)) == (
            f"data/1.{extension}, row 6: key 'a b/+%41.hdf' is listed as latest a second time"
            f" (data/0.{extension}, row 7 was the first)."
        )


def test_what_says_nothing_about_the_data_is_not_blamed_on_it(tmp_path: Path) -> None:
    files = inventory(tmp_path, "CSV", [GOOD])
    for error in (duckdb.OutOfMemoryException("failed to allocate"), OSError("INTERRUPT Error: Interrupted!")):
        with duckdb_of_the_tests() as connection, pytest.raises(type(error)):
            files.explain(connection, error)


def test_too_little_memory_for_the_second_pass_is_not_blamed_on_the_data(tmp_path: Path) -> None:
    rows = [*(Row(f"{'a' * 200}{number}") for number in range(60_000)), Row("b", size=-1)]
    files = inventory(tmp_path, "CSV", [rows])
    given_up = 0
    for quarters in range(8, 33, 2):
        with open_duckdb(quarters * 250_000) as connection:
            try:
                said = str(files.explain(connection, duckdb.InvalidInputException("negative")))
            except duckdb.OutOfMemoryException:
                given_up += 1
            else:
                assert said == "data/0.csv.gz, row 60001: Size is -1, and cannot be negative."
    assert 0 < given_up < 13  # it began with too little, and ended with enough


def test_when_the_second_pass_finds_nothing_the_engine_is_quoted_in_plain_words(tmp_path: Path) -> None:
    files = inventory(tmp_path, "CSV", [GOOD])
    error = duckdb.IOException(f"IO Error: Could not read {files.paths[0]}: gone\n\nLINE 1: SELECT")
    with duckdb_of_the_tests() as connection:
        said = str(files.explain(connection, error))
    assert said == "The inventory cannot be read: Could not read data/0.csv.gz: gone."


FIELDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([BUCKET, "other"]) | FIELDS,
            st.text('ab%+2Fé\n"', max_size=6),
            st.sampled_from(["true", "false", "True", "", "1"]),
            st.sampled_from(["5", "", "-1", "x", "1e3", " 5"]) | FIELDS,
            st.sampled_from(["2024-05-06T22:37:48.000Z", "", "2024-05-06", "2024-05-06T22:37:48+02:00"]),
        ).map(list)
        | st.lists(FIELDS, max_size=6),
        max_size=4,
    )
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_second_pass_agrees_with_the_first_on_what_is_wrong(tmp_path: Path, rows: list[list[str]]) -> None:
    columns = ["Bucket", "Key", "IsLatest", "Size", "LastModifiedDate"]
    files = written(tmp_path, "CSV", [csv_gz(rows)], columns)
    failed: duckdb.Error | None = None
    with duckdb_of_the_tests() as connection:
        try:
            files.latest(connection).to_arrow_table()
        except duckdb.Error as error:
            failed = error
        assert failed is None or str(files.explain(connection, failed)).startswith("data/0.csv.gz, row ")
