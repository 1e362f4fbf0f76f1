"""What an operator would write with DuckDB: attach PostgreSQL, full join with the files, keep what differs.

Runs in an environment of its own, with the arguments: PostgreSQL's URL, the result's database, csv or parquet, files.
"""

from __future__ import annotations

import sys
from importlib.resources import files as resources

import duckdb

COLUMNS = (
    *("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass"),
    *("IsMultipartUploaded", "ReplicationStatus", "EncryptionStatus"),
)
CSV = """
    SELECT url_decode(replace(Key, '+', ' ')) AS key_path, ETag AS etag, Size AS size_in_bytes,
           LastModifiedDate AS last_update, StorageClass AS storage_class
    FROM read_csv($files, header = false, auto_detect = false, columns = $columns)
    WHERE IsLatest AND NOT IsDeleteMarker
"""
PARQUET = """
    SELECT key AS key_path, e_tag AS etag, size AS size_in_bytes, last_modified_date AS last_update, storage_class
    FROM read_parquet($files)
    WHERE is_latest AND NOT is_delete_marker
"""
JOIN = """
    CREATE TABLE difference AS
    SELECT coalesce(catalog.key_path, s3.key_path) AS key_path, catalog.etag AS orca_etag, s3.etag AS s3_etag,
           catalog.size_in_bytes AS orca_size_in_bytes, s3.size_in_bytes AS s3_size_in_bytes, s3.last_update,
           catalog.storage_class AS orca_storage_class, s3.storage_class AS s3_storage_class
    FROM (
        SELECT key_path, trim(etag, '"') AS etag, size_in_bytes, class.value AS storage_class
        FROM catalog.orca.files AS files
        JOIN catalog.orca.storage_class AS class ON class.id = files.storage_class_id
        WHERE orca_archive_location = 'orca-archive'
    ) AS catalog
    FULL JOIN s3 ON s3.key_path = catalog.key_path
    WHERE catalog.key_path IS NULL OR s3.key_path IS NULL OR catalog.etag <> s3.etag
       OR catalog.size_in_bytes <> s3.size_in_bytes OR catalog.storage_class <> s3.storage_class
"""
TYPES = {"IsLatest": "BOOLEAN", "IsDeleteMarker": "BOOLEAN", "Size": "BIGINT", "LastModifiedDate": "TIMESTAMPTZ"}


def literal(value: object) -> str:
    """Write a value as DuckDB reads it."""
    return repr(value)


def main(url: str, result: str, file_format: str, *files: str) -> None:
    extension = resources("duckdb_extension_postgres_scanner") / "extensions"
    (path,) = [str(found) for folder in extension.iterdir() for found in folder.iterdir()]
    database = duckdb.connect(result, config={"preserve_insertion_order": False, "allow_unsigned_extensions": True})
    database.execute(f"LOAD '{path}'")
    database.execute(f"ATTACH '{url}' AS catalog (TYPE postgres, READ_ONLY)")
    columns = {name: TYPES.get(name, "VARCHAR") for name in COLUMNS}
    rows = CSV if file_format == "csv" else PARQUET
    rows = rows.replace("$files", literal(list(files))).replace("$columns", literal(columns))
    database.execute(f"CREATE VIEW s3 AS {rows}")
    database.execute(JOIN)
    print(database.sql("SELECT count(*) FROM difference").fetchall()[0][0])
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
