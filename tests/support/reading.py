"""Reads catalogs and inventories back with nothing but the standard library and pyarrow."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import orc, parquet

from tests.oracle import CatalogFile, ListedObject
from tests.support.reports import SPELLINGS, Value

FLAGS = {"IsLatest", "IsDeleteMarker", "IsMultipartUploaded"}


@dataclass(frozen=True)
class Report:
    """A report as it was read: the manifest, and the rows of every data file by the columns' names in CSV."""

    manifest: dict[str, object]
    data_files: list[Path]
    rows_by_file: list[list[dict[str, Value]]]

    @property
    def rows(self) -> list[dict[str, Value]]:
        return [row for rows in self.rows_by_file for row in rows]

    @property
    def listed(self) -> list[ListedObject]:
        return [_listed(row) for row in self.rows]


def read_report(manifest_path: Path) -> Report:
    manifest = json.loads(manifest_path.read_text())
    files = [_nearest(manifest_path, file["key"]) for file in manifest["files"]]
    read = {"CSV": _read_csv, "ORC": _read_orc, "Parquet": _read_parquet}[manifest["fileFormat"]]
    return Report(manifest, files, [list(read(file, manifest["fileSchema"])) for file in files])


def _nearest(manifest_path: Path, key: str) -> Path:
    return next(folder / key for folder in manifest_path.parents if (folder / key).exists())


def _read_csv(path: Path, schema: str) -> Iterator[dict[str, Value]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        for fields in csv.reader(stream, strict=True):
            row = dict(zip(schema.split(", "), fields, strict=True))
            yield {column: _from_text(column, text) for column, text in row.items()}


def _from_text(column: str, text: str) -> Value:
    if column == "Key":
        return unquote(text, errors="strict")
    if text == "":
        return None
    if column in FLAGS:
        return {"true": True, "false": False}[text]
    if column == "Size":
        return int(text)
    if column == "LastModifiedDate":
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return text


def _read_orc(path: Path, _schema: str) -> Iterator[dict[str, Value]]:
    return _read_table(orc.read_table(path))


def _read_parquet(path: Path, _schema: str) -> Iterator[dict[str, Value]]:
    return _read_table(parquet.read_table(path))


def _read_table(table: pa.Table) -> Iterator[dict[str, Value]]:
    titles = {spelling.name: title for title, spelling in SPELLINGS.items()}
    if "last_modified_date" in table.column_names:
        place = table.column_names.index("last_modified_date")
        times = table.column(place).cast(pa.timestamp("ms")).cast(pa.timestamp("ms", tz="UTC"))
        table = table.set_column(place, "last_modified_date", times)
    for row in table.to_pylist():
        yield {titles[name]: value for name, value in row.items()}


def _listed(row: dict[str, Value]) -> ListedObject:
    etag, size, storage_class = row.get("ETag"), row.get("Size"), row.get("StorageClass")
    modified = row.get("LastModifiedDate", datetime(1970, 1, 1, tzinfo=UTC))
    assert isinstance(modified, datetime)
    return ListedObject(
        key=str(row["Key"]),
        etag=None if etag is None else str(etag),
        size=None if size is None else int(str(size)),
        storage_class=None if storage_class is None else str(storage_class),
        last_modified=modified.astimezone(UTC),
        is_latest=row.get("IsLatest") is not False,
        is_delete_marker=row.get("IsDeleteMarker") is True,
    )


def read_catalog_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def read_catalog(path: Path) -> list[CatalogFile]:
    return [
        CatalogFile(
            key=row["key_path"],
            etag=row["etag"],
            size=int(row["size_in_bytes"]),
            storage_class=row["storage_class"],
            last_update=datetime.fromisoformat(row["last_update"]),
            collection=row["collection_id"],
            granule=row["granule_id"],
            archive_location=row["orca_archive_location"],
        )
        for row in read_catalog_rows(path)
    ]
