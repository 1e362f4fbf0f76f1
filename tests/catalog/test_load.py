"""A catalog out of a file: all of it or nothing, updated where it is known, and refused with the row that is wrong."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from app.catalog.load import load_catalog
from app.db.engine import Database
from app.errors import BadCatalog
from tests.support.archive import empty
from tests.support.reports import CATALOG_HEADER

FILE = {
    "collection_id": "MOD09GQ___061",
    "granule_id": "MOD09GQ.A2017025",
    "filename": "a.hdf",
    "key_path": "MOD09GQ/a.hdf",
    "orca_archive_location": "orca-archive",
    "cumulus_archive_location": "cumulus-protected",
    "etag": '"d41d8cd98f00b204e9800998ecf8427e"',
    "size_in_bytes": "5",
    "storage_class": "GLACIER",
    "ingest_time": "2024-01-01T00:00:00Z",
    "last_update": "2024-01-02T00:00:00Z",
    "provider_id": "podaac",
}
AWKWARD = ' "a", ünï + %2B\n.hdf'


def file(key: str, **other: str) -> dict[str, str]:
    return {**FILE, "key_path": key, **other}


def written(folder: Path, *rows: dict[str, str], columns: tuple[str, ...] = CATALOG_HEADER) -> Path:
    path = folder / "catalog.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


async def held(database: Database) -> list[tuple[Any, ...]]:
    async with database.reading() as connection:
        rows = await connection.execute(
            text(
                "SELECT key_path, size_in_bytes, collection_id, cumulus_granule_id, provider_id, value, last_update::date::text "
                "FROM orca.files JOIN orca.granules ON granules.id = granule_id "
                "JOIN orca.storage_class AS class ON class.id = storage_class_id ORDER BY key_path"
            )
        )
        return [tuple(row) for row in rows]


def as_held(key: str, size: int = 5, storage_class: str = "GLACIER", day: str = "2024-01-02") -> tuple[Any, ...]:
    return key, size, "MOD09GQ___061", "MOD09GQ.A2017025", "podaac", storage_class, day


async def test_letters_are_what_they_are_in_the_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    await empty(database)
    assert await load_catalog(database, written(tmp_path, file(AWKWARD))) == 1
    assert await held(database) == [as_held(AWKWARD)]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
async def test_files_are_loaded_and_then_updated(database: Database, tmp_path: Path, suffix: str) -> None:
    await empty(database)
    path = written(tmp_path, file("a"), file(AWKWARD))
    if suffix == "parquet":
        path = tmp_path / "catalog.parquet"
        pq.write_table(pa.Table.from_pylist([file("a"), file(AWKWARD)]), path)
    assert await load_catalog(database, path) == 2
    assert await held(database) == sorted([as_held(AWKWARD), as_held("a")])

    later = file("a", size_in_bytes="6", storage_class="DEEP_ARCHIVE", last_update="2024-01-03T00:00:00Z")
    assert await load_catalog(database, written(tmp_path, later, file("b"))) == 2
    assert await held(database) == sorted(
        # The granule is all of theirs, and was updated when the last of its files was.
        [
            as_held(AWKWARD, day="2024-01-03"),
            as_held("a", 6, "DEEP_ARCHIVE", day="2024-01-03"),
            as_held("b", day="2024-01-03"),
        ]
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size_in_bytes": "five"}, "row 2: size_in_bytes is 'five', which is not a BIGINT. Nothing was loaded."),
        ({"size_in_bytes": ""}, "row 2: size_in_bytes is missing. Nothing was loaded."),
        ({"storage_class": ""}, "row 2: storage_class is missing. Nothing was loaded."),
        ({"last_update": ""}, "row 2: last_update is missing. Nothing was loaded."),
        ({"last_update": "yesterday"}, "row 2: last_update is 'yesterday', which is not a TIMESTAMPTZ."),
        ({"storage_class": "ICE"}, "storage class 'ICE' is not in orca.storage_class. Nothing was loaded."),
        ({"key_path": "a"}, "'a' of orca-archive is listed twice. Nothing was loaded."),
    ],
)
async def test_one_bad_row_and_nothing_is_loaded(
    database: Database, tmp_path: Path, wrong: dict[str, str], said: str
) -> None:
    await empty(database)
    with pytest.raises(BadCatalog) as refused:
        await load_catalog(database, written(tmp_path, file("a"), {**file("b"), **wrong}))
    assert said in str(refused.value)
    assert await held(database) == []


async def test_a_key_of_a_cumulus_bucket_is_in_one_archive_location(database: Database, tmp_path: Path) -> None:
    await empty(database)
    with pytest.raises(BadCatalog, match="'a' of cumulus-protected would be in orca-archive and in worm, "):
        await load_catalog(database, written(tmp_path, file("a"), file("b"), file("a", orca_archive_location="worm")))
    await load_catalog(database, written(tmp_path, file("a")))
    with pytest.raises(BadCatalog, match="'a' of cumulus-protected would be in orca-archive and in worm, "):
        await load_catalog(database, written(tmp_path, file("b"), file("a", orca_archive_location="worm")))
    assert await held(database) == [as_held("a")]


async def test_what_is_no_catalog_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BadCatalog, match="There is no file"):
        await load_catalog(database, tmp_path / "catalog.csv")
    columns = tuple(name for name in CATALOG_HEADER if name not in {"etag", "storage_class"})
    with pytest.raises(BadCatalog, match="lacks the columns etag, storage_class"):
        await load_catalog(database, written(tmp_path, file("a"), columns=columns))
    (tmp_path / "catalog.parquet").write_bytes(b"PAR1, it is not")
    with pytest.raises(BadCatalog, match="neither CSV with a header nor Parquet"):
        await load_catalog(database, tmp_path / "catalog.parquet")


async def test_the_planner_knows_of_what_was_loaded(database: Database, tmp_path: Path) -> None:
    await empty(database)
    rows = [file(f"{number}", orca_archive_location="few" if number < 5 else "many") for number in range(2000)]
    await load_catalog(database, written(tmp_path, *rows))
    async with database.reading() as connection:
        known = await connection.execute(
            text(
                "SELECT most_common_vals::text FROM pg_stats WHERE tablename = 'files' AND attname = 'orca_archive_location'"
            )
        )
        assert known.scalar_one() == "{many,few}"
