from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from pathlib import Path

import pytest

from app.samples import generate
from tests.strategies import CREATED
from tests.support.reading import read_catalog_rows
from tests.support.reports import CATALOG_HEADER

FILES = 5000


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    out = tmp_path_factory.mktemp("catalog")
    generate(FILES, out, 5, "parquet", bucket="daac.archive")
    return read_catalog_rows(out / "catalog.csv")


def test_the_header_is_the_one_that_is_loaded(tmp_path: Path) -> None:
    generate(3, tmp_path, 5, "csv")
    with (tmp_path / "catalog.csv").open(encoding="utf-8") as stream:
        assert stream.readline() == ",".join(CATALOG_HEADER) + "\n"


def test_there_is_a_row_for_each_file_and_the_database_takes_them_all(rows: list[dict[str, str]]) -> None:
    assert len(rows) == FILES
    assert len({row["key_path"] for row in rows}) == FILES
    assert all(value for row in rows for value in row.values())
    assert {row["orca_archive_location"] for row in rows} == {"daac.archive"}

    granules: dict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    for row in rows:
        granules[row["collection_id"], row["granule_id"]].add(
            (row["provider_id"], row["ingest_time"], row["last_update"])
        )
    assert all(len(described) == 1 for described in granules.values())
    assert FILES / 6 < len(granules) < FILES / 2


def test_it_looks_like_the_catalog_of_an_archive(rows: list[dict[str, str]]) -> None:
    assert len({row["provider_id"] for row in rows}) >= 4
    assert len({row["collection_id"] for row in rows}) >= 8
    assert {row["storage_class"] for row in rows} == {"GLACIER", "DEEP_ARCHIVE"}
    assert "MOD09GQ___061" in {row["collection_id"] for row in rows}
    assert all(row["etag"][0] == row["etag"][-1] == '"' for row in rows)
    assert all(row["key_path"].endswith(row["filename"]) for row in rows)
    assert all(row["key_path"].count("/") >= 3 for row in rows)


def test_large_files_came_in_parts(rows: list[dict[str, str]]) -> None:
    large = [row for row in rows if int(row["size_in_bytes"]) > 2**32]
    assert large
    assert all(int(row["etag"].strip('"').rpartition("-")[2]) >= 16 for row in large)
    assert all(("-" in row["etag"]) == (int(row["size_in_bytes"]) >= 2**28) for row in rows)


def test_some_keys_are_folders(rows: list[dict[str, str]]) -> None:
    folders = [row for row in rows if row["key_path"].endswith("/")]
    assert folders
    assert {(row["size_in_bytes"], row["etag"]) for row in folders} == {("0", '"d41d8cd98f00b204e9800998ecf8427e"')}


def test_some_keys_are_traps(rows: list[dict[str, str]]) -> None:
    for trap in (*" +%\"'&=~,;#?\\*ñÜ東🛰\u0301", "%20", "%2B", "  "):
        assert any(trap in row["filename"] for row in rows), trap
    awkward = sum(not row["filename"].isascii() or bool(set(row["filename"]) & set(" +%\"'&~,")) for row in rows)
    assert 0.02 < awkward / FILES < 0.2


def test_the_catalog_was_at_rest_long_before_the_inventory(rows: list[dict[str, str]]) -> None:
    late = [row for row in rows if datetime.fromisoformat(row["last_update"]) >= CREATED]
    assert len(late) <= FILES / 1000
    at_rest = [datetime.fromisoformat(row["last_update"]) for row in rows if row not in late]
    assert (CREATED - max(at_rest)).days > 30
    assert all(row["ingest_time"] <= row["last_update"] for row in rows)
