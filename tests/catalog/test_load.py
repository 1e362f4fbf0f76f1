"""A catalog out of a file: all of it or nothing, updated where it is known, and refused with the row that is wrong."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

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


async def held(database: Database) -> list[dict[str, str]]:
    """Read the catalog back as rows of a file."""
    utc = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    async with database.reading() as connection:
        rows = await connection.execute(
            text(f"""
                SELECT collection_id, cumulus_granule_id AS granule_id, files.name AS filename, key_path,
                       orca_archive_location, cumulus_archive_location, etag, size_in_bytes::text AS size_in_bytes,
                       class.value AS storage_class, {utc.format("files.ingest_time")} AS ingest_time,
                       {utc.format("last_update")} AS last_update, provider_id
                FROM orca.files JOIN orca.granules ON granules.id = granule_id
                JOIN orca.storage_class AS class ON class.id = storage_class_id ORDER BY key_path COLLATE "C"
            """)
        )
        return [dict(row) for row in rows.mappings()]


async def test_letters_are_what_they_are_in_the_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    await empty(database)
    assert await load_catalog(database, written(tmp_path, file(AWKWARD))) == 1
    assert await held(database) == [file(AWKWARD)]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "PARQUET"])
async def test_files_are_loaded_and_then_updated(database: Database, tmp_path: Path, suffix: str) -> None:
    await empty(database)
    path = written(tmp_path, file("a"), file(AWKWARD))
    if suffix != "csv":
        path = tmp_path / f"catalog.{suffix}"
        pq.write_table(pa.Table.from_pylist([file("a"), file(AWKWARD)]), path)
    assert await load_catalog(database, path) == 2
    assert await held(database) == [file(AWKWARD), file("a")]

    later = {
        "collection_id": "MOD14___006",
        "granule_id": "MOD14.A2017026",
        "filename": "b.hdf",
        "key_path": "a",
        "orca_archive_location": "orca-archive",
        "cumulus_archive_location": "cumulus-public",
        "etag": '"0cc175b9c0f1b6a831c399e269772661"',
        "size_in_bytes": "6",
        "storage_class": "DEEP_ARCHIVE",
        "ingest_time": "2024-01-03T00:00:00Z",
        "last_update": "2024-01-04T00:00:00Z",
        "provider_id": "lpdaac",
    }
    assert await load_catalog(database, written(tmp_path, later, file("b"))) == 2
    assert await held(database) == [file(AWKWARD), later, file("b")]


async def test_a_granule_was_updated_when_the_last_of_its_files_was(database: Database, tmp_path: Path) -> None:
    await empty(database)
    for loaded, latest in ({"a": 2, "b": 4}, 4), ({"a": 3}, 4), ({"a": 5}, 5):
        rows = [file(key, last_update=f"2024-01-0{day}T00:00:00Z") for key, day in loaded.items()]
        await load_catalog(database, written(tmp_path, *rows))
        assert {row["last_update"] for row in await held(database)} == {f"2024-01-0{latest}T00:00:00Z"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size_in_bytes": "five"}, "row 2: size_in_bytes is 'five', which is not a BIGINT. Nothing was loaded."),
        ({"size_in_bytes": "1.6"}, "row 2: size_in_bytes is '1.6', which is not a BIGINT. Nothing was loaded."),
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
    assert await held(database) == [file("a")]


async def test_what_is_no_catalog_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BadCatalog, match="There is no file"):
        await load_catalog(database, tmp_path / "catalog.csv")
    columns = tuple(name for name in CATALOG_HEADER if name not in {"etag", "storage_class"})
    with pytest.raises(BadCatalog, match="lacks the columns etag, storage_class"):
        await load_catalog(database, written(tmp_path, file("a"), columns=columns))
    (tmp_path / "catalog.PARQUET").write_bytes(b"PAR1, it is not")
    with pytest.raises(BadCatalog, match="PARQUET cannot be read: No magic bytes found at end of file '"):
        await load_catalog(database, tmp_path / "catalog.PARQUET")
    (tmp_path / "catalog.csv.gz").write_bytes(b"a,b\n")
    with pytest.raises(BadCatalog, match="cannot be read: Input is not a GZIP stream"):
        await load_catalog(database, tmp_path / "catalog.csv.gz")


def text_of(*keys: str, before: tuple[str, str] = ("", "")) -> str:
    """Write a catalog with these keys as they stand, a line each; the header and the lines begin with `before`."""
    values = {**FILE, "etag": "e"}
    lines = (",".join(key if name == "key_path" else values[name] for name in CATALOG_HEADER) for key in keys)
    return "\n".join([before[0] + ",".join(CATALOG_HEADER), *(before[1] + line for line in lines), ""])


@pytest.mark.parametrize("before", [0, 30_000])  # DuckDB looks at the first 20,480 lines when it guesses
@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("a,b", "Expected Number of Columns: 12 Found: 13"),
        ("ü", "Invalid unicode (byte sequence mismatch) detected. This file is not utf-8 encoded"),
        ('"a"b"', "Value with unterminated quote found"),
        ('"a', "Value with unterminated quote found"),
    ],
)
async def test_a_line_that_cannot_be_read_is_named(
    database: Database, tmp_path: Path, before: int, key: str, said: str
) -> None:
    await empty(database)
    keys = (f"{number}" for number in range(before))
    path = tmp_path / "catalog.csv"
    path.write_text(text_of(*keys, key, "z"), encoding="latin-1")
    with pytest.raises(BadCatalog) as refused:
        await load_catalog(database, path)
    assert str(refused.value) == f"catalog.csv, line {before + 2}: {said}. Nothing was loaded."
    assert await held(database) == []


async def test_too_few_columns_and_another_encoding_are_named_by_their_line(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "catalog.csv"
    path.write_text(text_of("a") + "MOD09GQ___061,b\n")
    with pytest.raises(BadCatalog, match=r"^catalog\.csv, line 3: Expected Number of Columns: 12 Found: 2\. Nothing"):
        await load_catalog(database, path)
    path.write_text(text_of("a"), encoding="utf-16")
    with pytest.raises(BadCatalog, match=r"^catalog\.csv, line 1: Invalid unicode .*\. Nothing was loaded\.$"):
        await load_catalog(database, path)
    path.write_text(text_of("a\0b"))
    with pytest.raises(BadCatalog, match=r'cannot be read: invalid byte sequence for encoding "UTF8": 0x00\. Nothing'):
        await load_catalog(database, path)


PLAIN = text_of("a", "#b", '"x\ny"')
HEADER = ",".join(CATALOG_HEADER)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n").replace("x\r\n", "x\n"),
        "\n\n" + PLAIN.replace("\nM", "\n\nM") + "\n",
        PLAIN.replace(HEADER, HEADER.replace(",", ", ")),
        PLAIN.replace(HEADER, HEADER.replace("etag", '"etag"')),
        text_of("a", "#b", '"x\ny"', before=(",,", '0,"x,y",')),
    ],
    ids=["BOM", "CRLF", "blank lines", "padded header", "quoted header", "more columns"],
)
@pytest.mark.parametrize("suffix", [".csv", ".CSV.gz"])
async def test_csv_is_read_as_others_write_it(database: Database, tmp_path: Path, content: str, suffix: str) -> None:
    await empty(database)
    path = tmp_path / f"catalog{suffix}"
    path.write_bytes(gzip.compress(content.encode()) if suffix.endswith(".gz") else content.encode())
    assert await load_catalog(database, path) == 3
    assert await held(database) == [file(key, etag="e") for key in ("#b", "a", "x\ny")]


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
