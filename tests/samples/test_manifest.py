from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from app.samples import generate
from tests.support.reading import read_report

CSV = (
    "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, "
    "IsMultipartUploaded, ReplicationStatus, EncryptionStatus"
)
ORC = (
    "struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint,"
    "last_modified_date:timestamp,e_tag:string,storage_class:string,is_multipart_uploaded:boolean,"
    "replication_status:string,encryption_status:string>"
)
PARQUET = (
    "message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);"
    "  optional binary version_id (STRING);  optional boolean is_latest;  optional boolean is_delete_marker;"
    "  optional int64 size;  optional int64 last_modified_date (TIMESTAMP(MILLIS,true));"
    "  optional binary e_tag (STRING);  optional binary storage_class (STRING);"
    "  optional boolean is_multipart_uploaded;  optional binary replication_status (STRING);"
    "  optional binary encryption_status (STRING);}"
)


@pytest.mark.parametrize(
    ("file_format", "spelled", "schema"), [("csv", "CSV", CSV), ("orc", "ORC", ORC), ("parquet", "Parquet", PARQUET)]
)
def test_the_manifest_is_shaped_as_amazon_shapes_it(
    file_format: str, spelled: str, schema: str, tmp_path: Path
) -> None:
    generate(20, tmp_path, 1, file_format, bucket="daac.archive")
    manifest = json.loads((tmp_path / "inventory" / "manifest.json").read_text())

    files = manifest.pop("files")
    assert manifest == {
        "sourceBucket": "daac.archive",
        "destinationBucket": "arn:aws:s3:::orca-inventory-reports",
        "version": "2016-11-30",
        "creationTimestamp": "1715043600000",
        "fileFormat": spelled,
        "fileSchema": schema,
    }
    assert len(files) == 4
    assert all(set(file) == {"key", "size", "MD5checksum"} for file in files)


def test_the_checksum_is_the_manifests_with_a_newline(tmp_path: Path) -> None:
    generate(20, tmp_path, 1, "csv")
    raw = (tmp_path / "inventory" / "manifest.json").read_bytes()
    checksum = (tmp_path / "inventory" / "manifest.checksum").read_bytes()
    assert checksum.decode() == hashlib.md5(raw, usedforsecurity=False).hexdigest() + "\n"


@pytest.mark.parametrize("file_format", ["csv", "orc", "parquet"])
def test_the_data_files_are_where_and_what_the_manifest_says(file_format: str, tmp_path: Path) -> None:
    generate(500, tmp_path, 1, file_format, data_files=3)
    manifest = tmp_path / "inventory" / "manifest.json"
    report = read_report(manifest)

    assert set(report.data_files) == set((tmp_path / "inventory" / "data").iterdir())
    for listed, path in zip(json.loads(manifest.read_text())["files"], report.data_files, strict=True):
        raw = path.read_bytes()
        assert (tmp_path / listed["key"]) == path
        assert listed["size"] == len(raw)
        assert listed["MD5checksum"] == hashlib.md5(raw, usedforsecurity=False).hexdigest()
