from __future__ import annotations

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import ListedObject
from tests.strategies import CREATED, Archive, archives
from tests.support.reading import read_catalog, read_report
from tests.support.reports import ReportFormat, write_catalog, write_report

FORMATS: list[ReportFormat] = ["CSV", "ORC", "Parquet"]


@settings(max_examples=60)
@given(archive=archives(), file_format=st.sampled_from(FORMATS), data_files=st.integers(1, 3))
def test_what_is_written_is_what_is_read(archive: Archive, file_format: ReportFormat, data_files: int) -> None:
    with TemporaryDirectory() as folder:
        catalog = write_catalog(Path(folder) / "catalog.csv", archive.catalog)
        manifest = write_report(Path(folder), archive, file_format, data_files=data_files)
        report = read_report(manifest)
        assert read_catalog(catalog) == list(archive.catalog)

    assert sorted(map(repr, report.listed)) == sorted(map(repr, archive.listed))
    assert len(report.data_files) == data_files
    assert all(tuple(row) == archive.columns for row in report.rows)


@given(archives())
@settings(max_examples=60)
def test_an_archive_keeps_the_rules_of_s3_and_of_the_database(archive: Archive) -> None:
    latest = [row.key for row in archive.listed if row.is_latest]
    assert len(latest) == len(set(latest))
    places = [(file.archive_location, file.key) for file in archive.catalog]
    assert len(places) == len(set(places))
    granules = {(file.collection, file.granule, file.last_update) for file in archive.catalog}
    assert len(granules) == len({granule[:2] for granule in granules})
    assert all(0 < len(file.key.encode()) <= 1024 and "\0" not in file.key for file in archive.catalog)


@pytest.mark.parametrize("space", ["%20", "+"])
def test_keys_are_encoded_as_s3_does(space: str, tmp_path: Path) -> None:
    row = ListedObject(key="a b+c~/*é", etag=None, size=None, storage_class=None, last_modified=CREATED)
    manifest = write_report(tmp_path, Archive((), (row,), ("Key", "ETag")), "CSV", data_files=1, space=space)

    written = gzip.decompress(read_report(manifest).data_files[0].read_bytes()).decode()
    assert written == f'"a{space}b%2Bc%7E/*%C3%A9",""\n'
