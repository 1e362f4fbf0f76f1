from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from app.samples import generate
from tests.oracle import ListedObject
from tests.strategies import CREATED
from tests.support.reading import Report, read_report
from tests.support.reports import s3_encoded

FILES = 4000


@pytest.fixture(scope="module")
def outs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    outs = {name: tmp_path_factory.mktemp(name) for name in ("csv", "orc", "parquet")}
    for name, out in outs.items():
        generate(FILES, out, 5, name, findings=0.05)
    return outs


@pytest.fixture(scope="module")
def reports(outs: dict[str, Path]) -> dict[str, Report]:
    return {name: read_report(out / "inventory" / "manifest.json") for name, out in outs.items()}


@pytest.fixture(scope="module")
def listed(reports: dict[str, Report]) -> list[ListedObject]:
    return reports["orc"].listed


def test_all_formats_describe_the_same_inventory(outs: dict[str, Path], reports: dict[str, Report]) -> None:
    assert reports["csv"].rows_by_file == reports["orc"].rows_by_file == reports["parquet"].rows_by_file
    for name in ("catalog.csv", "expected.json"):
        assert len({(out / name).read_bytes() for out in outs.values()}) == 1


def test_versions_of_a_key_lie_in_different_files_and_rows_in_no_order(reports: dict[str, Report]) -> None:
    places: dict[object, set[int]] = defaultdict(set)
    for number, rows in enumerate(reports["orc"].rows_by_file):
        keys = [str(row["Key"]) for row in rows]
        assert keys != sorted(keys)
        assert len(keys) > FILES / 8
        for key in keys:
            places[key].add(number)
    assert any(len(files) > 1 for files in places.values())


def test_old_versions_and_delete_markers_are_listed(listed: list[ListedObject]) -> None:
    old = [row for row in listed if not row.is_latest]
    latest = [row for row in listed if row.is_latest]
    assert len({row.key for row in latest}) == len(latest)
    assert FILES / 20 < len(old) < FILES / 4
    assert {row.key for row in old} < {row.key for row in latest}
    assert any(row.is_delete_marker for row in old)
    assert any(row.is_delete_marker for row in latest)
    for row in listed:
        values = (row.etag, row.size, row.storage_class)
        assert all(value is None for value in values) == row.is_delete_marker


def test_old_versions_are_older(listed: list[ListedObject]) -> None:
    latest = {row.key: row.last_modified for row in listed if row.is_latest}
    assert all(row.last_modified < latest[row.key] for row in listed if not row.is_latest)
    late = [row for row in listed if row.last_modified >= CREATED]
    assert 0 < len(late) < FILES / 100


def test_version_ids_look_like_those_of_s3(reports: dict[str, Report]) -> None:
    ids = [row["VersionId"] for row in reports["parquet"].rows]
    known = [str(name) for name in ids if name is not None]
    assert 0 < ids.count(None) < len(ids) / 3
    assert len(set(known)) == len(known)
    assert {len(name) for name in known} == {32}
    assert all(name.replace("_", "").replace(".", "").isalnum() for name in known)


def test_a_key_has_one_null_version_at_most(reports: dict[str, Report]) -> None:
    null = [row["Key"] for row in reports["parquet"].rows if row["VersionId"] is None]
    assert len(set(null)) == len(null)


def test_objects_are_of_many_sorts(reports: dict[str, Report], listed: list[ListedObject]) -> None:
    assert {row["Bucket"] for row in reports["csv"].rows} == {"orca-archive"}
    assert {"GLACIER", "DEEP_ARCHIVE", "STANDARD"} < {row.storage_class for row in listed}
    assert max(row.size or 0 for row in listed) > 2**32
    folders = [row for row in listed if row.key.endswith("/") and not row.is_delete_marker]
    assert len(folders) > 5
    assert all('"' not in row.etag for row in listed if row.etag is not None)
    parts = [row for row in reports["csv"].rows if row["IsMultipartUploaded"]]
    assert parts
    assert all("-" in str(row["ETag"]) for row in parts)


def test_csv_is_quoted_and_encoded_as_s3_does(reports: dict[str, Report], listed: list[ListedObject]) -> None:
    raw = reports["csv"].data_files[0].read_bytes()
    assert raw[4:8] == bytes(4), "the time in gzip's header is nobody's"
    text = gzip.decompress(raw).decode("ascii")
    assert text.endswith('"\n')
    rows = list(csv.reader(text.splitlines(), strict=True))
    quoted = "".join(",".join(f'"{value}"' for value in row) + "\n" for row in rows)
    assert text == quoted, "every field is quoted, and no quote is left in a key"
    texts = [gzip.decompress(path.read_bytes()).decode("ascii") for path in reports["csv"].data_files]
    encoded = {row[1] for text in texts for row in csv.reader(text.splitlines())}
    assert encoded == {s3_encoded(row.key) for row in listed}
    for trap in ("%20", "%2B", "%2520", "%22", "%27", "%7E", "%25", "*", "%C3%9C", "%F0%9F%9B%B0"):
        assert any(trap in key for key in encoded), trap


def test_times_in_csv_are_those_of_s3(reports: dict[str, Report]) -> None:
    text = gzip.decompress(reports["csv"].data_files[0].read_bytes()).decode()
    times = [row[6] for row in csv.reader(text.splitlines())]
    assert all(len(time) == len("2024-05-06T22:37:48.000Z") and time.endswith(".000Z") for time in times)


def test_parquet_has_the_types_of_real_reports(reports: dict[str, Report]) -> None:
    schema = parquet.read_schema(reports["parquet"].data_files[0])
    text, flag = pa.string(), pa.bool_()
    assert [(field.name, field.type, field.nullable) for field in schema] == [
        ("bucket", text, False),
        ("key", text, False),
        ("version_id", text, True),
        ("is_latest", flag, True),
        ("is_delete_marker", flag, True),
        ("size", pa.int64(), True),
        ("last_modified_date", pa.timestamp("ms", tz="UTC"), True),
        ("e_tag", text, True),
        ("storage_class", text, True),
        ("is_multipart_uploaded", flag, True),
        ("replication_status", text, True),
        ("encryption_status", text, True),
    ]


def test_orc_has_the_types_of_real_reports(reports: dict[str, Report]) -> None:
    schema = orc.ORCFile(reports["orc"].data_files[0]).schema
    assert schema.field("size").type == pa.int64()
    assert schema.field("is_latest").type == pa.bool_()
    assert schema.field("last_modified_date").type == pa.timestamp("ns")
    assert schema.names == parquet.read_schema(reports["parquet"].data_files[0]).names
