from __future__ import annotations

import pytest

from app.inventory.columns import FileFormat, read_schema

CSV = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, Owner"
ORC = """struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint,
    last_modified_date:timestamp,e_tag:string,storage_class:string,Owner:struct<id:string,share:decimal(3,2)>>"""
PARQUET = """message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);
    optional binary version_id (STRING);  optional boolean is_latest;  optional boolean is_delete_marker;
    optional int64 size;  optional int64 last_modified_date (TIMESTAMP(MILLIS,true));
    optional binary e_tag (STRING);  optional binary storage_class (STRING);  optional binary Owner (STRING);}"""
DOCUMENTED_PARQUET = """message s3.inventory {
    required binary bucket (UTF8);
    required binary key (UTF8);
    optional binary version_id (UTF8) = 3;
    optional boolean is_latest;
    optional boolean is_delete_marker;
    optional int64 size;
    optional int64 last_modified_date (TIMESTAMP_MILLIS);
    optional binary e_tag (UTF8);
    optional binary storage_class (UTF8);
    optional fixed_len_byte_array(16) Owner;
}
"""
SAME: dict[str, tuple[FileFormat, str]] = {
    "csv": ("CSV", CSV),
    "orc": ("ORC", ORC),
    "parquet as real reports have it": ("Parquet", PARQUET),
    "parquet as the documentation has it": ("Parquet", DOCUMENTED_PARQUET),
}


@pytest.mark.parametrize("spelling", SAME)
def test_every_spelling_of_a_schema_gives_the_same_names(spelling: str) -> None:
    columns = read_schema(*SAME[spelling])
    assert tuple(columns) == (
        "Bucket",
        "Key",
        "VersionId",
        "IsLatest",
        "IsDeleteMarker",
        "Size",
        "LastModifiedDate",
        "ETag",
        "StorageClass",
        "Owner",
    )


def test_the_names_in_the_files_are_kept_beside_the_canonical_ones() -> None:
    columns = read_schema("ORC", "struct<key:string,bucket:string,is_multipart_uploaded:boolean>")
    assert dict(columns) == {"Key": "key", "Bucket": "bucket", "is_multipart_uploaded": "is_multipart_uploaded"}


@pytest.mark.parametrize(
    ("file_format", "schema", "wrong"),
    [
        ("CSV", "", "must be the comma-separated names of the columns"),
        ("CSV", "Bucket,,Key", "must be the comma-separated names of the columns"),
        ("CSV", "struct<bucket:string,key:string>", "must be the comma-separated names of the columns"),
        ("CSV", "Bucket, Size", "has no column Key"),
        ("CSV", "Key", "has no column Bucket"),
        ("CSV", "Bucket, Key, Key", "names the column Key twice"),
        ("ORC", "Bucket, Key", "must be an ORC schema"),
        ("ORC", "struct<bucket:string,key>", "cannot be read as an ORC schema at `key`"),
        ("ORC", "struct<bucket:string,e_tag:string>", "has no column Key"),
        ("Parquet", "Bucket, Key", "must be a Parquet schema"),
        ("Parquet", "message s { required binary bucket (UTF8) optional", "must be a Parquet schema"),
        ("Parquet", "message s { required binary bucket; repeated x; }", "from `repeated x;` on"),
        ("Parquet", "message s { required binary bucket; required binary Bucket; }", "names the column Bucket twice"),
    ],
)
def test_a_schema_that_cannot_be_right_is_refused(file_format: FileFormat, schema: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        read_schema(file_format, schema)
