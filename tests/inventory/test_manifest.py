from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadManifest
from app.inventory.manifest import Manifest, parse_manifest
from tests.inventory.building import manifest_bytes

MD5 = "c473bcc2407d0a5cec5229b21d967e59"
FILE = {"key": "data/0.csv.gz", "size": 331, "MD5checksum": MD5}


def parsed(**changes: object) -> Manifest:
    return parse_manifest(manifest_bytes("CSV", {}, changes=changes), "manifest.json")


def test_a_manifest_says_what_it_lists() -> None:
    manifest = parsed(files=[FILE, FILE | {"key": "data/1.csv.gz", "size": 9, "MD5checksum": MD5.upper()}])
    assert manifest.source_bucket == "orca-archive"
    assert manifest.creation_time == datetime(2026, 3, 1, tzinfo=UTC)
    assert manifest.columns[:4] == ("Bucket", "Key", "VersionId", "IsLatest")
    assert [file.md5 for file in manifest.files] == [MD5, MD5]
    assert manifest.size_in_bytes == 340


@pytest.mark.parametrize(
    "arn", ["arn:aws:s3:::reports", "arn:aws-us-gov:s3:::reports", "arn:aws-cn:s3:::reports", "reports"]
)
def test_the_destination_is_the_bucket_of_any_partition(arn: str) -> None:
    assert parsed(destinationBucket=arn).destination_bucket == "reports"


@pytest.mark.parametrize("time", ["1772323200000", 1772323200000])
def test_the_time_is_in_milliseconds(time: object) -> None:
    assert parsed(creationTimestamp=time).creation_time == datetime(2026, 3, 1, tzinfo=UTC)


def test_an_inventory_of_an_empty_bucket_has_no_files() -> None:
    assert parsed(files=[]).files == ()


@pytest.mark.parametrize(
    ("columns", "compared"),
    [
        ("Bucket, Key", ()),
        ("Bucket, Key, StorageClass, ETag", ("etag", "storage_class")),
        ("Bucket, Key, Size", ("size_in_bytes",)),
        ("StorageClass, Size, ETag, Key, Bucket", ("etag", "size_in_bytes", "storage_class")),
    ],
)
def test_only_fields_that_are_carried_are_compared(columns: str, compared: tuple[str, ...]) -> None:
    assert parsed(fileSchema=columns).compared_fields == compared


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"sourceBucket": None}, "sourceBucket must be text"),
        ({"sourceBucket": ""}, "sourceBucket must be the name or ARN of a bucket"),
        ({"sourceBucket": 'a"; DROP SCHEMA orca; --'}, "sourceBucket must be the name or ARN of a bucket"),
        ({"destinationBucket": "arn:aws:sns:::reports"}, "destinationBucket must be the name or ARN of a bucket"),
        ({"creationTimestamp": "2026-03-01T00:00:00Z"}, "creationTimestamp must be the milliseconds since the epoch"),
        ({"creationTimestamp": True}, "creationTimestamp must be the milliseconds since the epoch"),
        ({"creationTimestamp": "999999999999999"}, "creationTimestamp lies beyond the year 9999"),
        ({"fileFormat": "Avro"}, "fileFormat must be CSV, ORC or Parquet"),
        ({"fileSchema": ["Bucket", "Key"]}, "fileSchema must be text"),
        ({"fileSchema": "Bucket, Size"}, "fileSchema has no column Key"),
        ({"fileSchema": "Bucket, Key, Size, Size"}, "fileSchema names the column Size twice"),
        ({"files": {"key": "a"}}, "files must be a list"),
        ({"files": ["a"]}, "files[0] must be an object"),
        ({"files": [{"size": 1, "MD5checksum": MD5}]}, "files[0].key is missing"),
        ({"files": [FILE | {"key": ""}]}, "files[0].key must be the key of a file"),
        ({"files": [FILE | {"key": "a\0b"}]}, "files[0].key must be the key of a file"),
        ({"files": [FILE, FILE | {"key": "b", "size": -1}]}, "files[1].size must not be negative"),
        ({"files": [FILE | {"size": "331"}]}, "files[0].size must be a whole number"),
        ({"files": [FILE | {"size": 1.5}]}, "files[0].size must be a whole number"),
        ({"files": [FILE | {"MD5checksum": MD5[1:]}]}, "files[0].MD5checksum must be an MD5 of 32 hexadecimal digits"),
        ({"files": [FILE | {"MD5checksum": "g" * 32}]}, "files[0].MD5checksum must be an MD5 of 32 hexadecimal digits"),
        (
            {"files": [FILE | {"key": key, "size": 2**63 - 1} for key in "ab"]},
            "files have 18446744073709551614 bytes together, which cannot be",
        ),
        ({"files": [FILE, FILE]}, "files[1].key lists data/0.csv.gz a second time"),
        ({"files": [FILE | {"key": "a.parquet"}]}, "files[0].key is a.parquet, but fileFormat is CSV"),
        ({"files": [FILE | {"key": "a.ORC"}]}, "files[0].key is a.ORC, but fileFormat is CSV"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(changes: dict[str, object], wrong: str) -> None:
    with pytest.raises(BadManifest) as caught:
        parsed(**changes)
    assert str(caught.value).startswith(f"manifest.json is not a valid manifest: {wrong}")
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value).lower()


@pytest.mark.parametrize(
    "field", ["sourceBucket", "destinationBucket", "creationTimestamp", "fileFormat", "fileSchema", "files"]
)
def test_a_missing_field_is_named(field: str) -> None:
    manifest = json.loads(manifest_bytes("CSV", {}))
    del manifest[field]
    with pytest.raises(BadManifest, match=f"{field} is missing"):
        parse_manifest(json.dumps(manifest).encode(), "manifest.json")


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"NaN", b"[]", b'"text"', b"null"])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(
        BadManifest, match=r"manifest\.json is not a valid manifest: it (is not JSON|must be a JSON object)"
    ):
        parse_manifest(raw, "manifest.json")


def test_what_was_written_out_can_be_read_back() -> None:
    manifest = parsed(files=[FILE])
    assert parse_manifest(manifest.model_dump_json(by_alias=True).encode(), "again") == manifest


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    field=st.sampled_from(
        ["sourceBucket", "destinationBucket", "creationTimestamp", "fileFormat", "fileSchema", "files"]
    ),
    value=JSON,
)
def test_nothing_but_a_bad_manifest_comes_of_a_bad_manifest(field: str, value: object) -> None:
    raw = json.dumps(json.loads(manifest_bytes("CSV", {})) | {field: value}).encode()
    try:
        assert isinstance(parse_manifest(raw, "manifest.json"), Manifest)
    except BadManifest as error:
        assert "\n" not in str(error)  # noqa: PT017  (whatever is generated may also be valid)
