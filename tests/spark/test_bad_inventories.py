"""What a data file must not be fails the run, and the job is told which file and row it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from app.db.engine import Database
from app.errors import BadInventory
from app.inventory.columns import FileFormat
from tests.inventory.building import (
    ALL,
    EXTENSIONS,
    Row,
    arrow,
    csv_gz,
    csv_text,
    data_file,
    manifest_bytes,
    orc_bytes,
    parquet_bytes,
)
from tests.spark.runs import engine_for, publish_by, settings_for

SOUND = Row("a/0")


def csv_with(**changed: str) -> bytes:
    """Write a CSV file whose second row has other texts in some fields."""
    fields = dict(zip(ALL, csv_text(Row("a/1")), strict=True)) | changed
    return csv_gz([csv_text(SOUND), list(fields.values())])


def listed_in(folder: Path, file_format: FileFormat, contents: Sequence[bytes], verified: Sequence[bytes] = ()) -> Path:
    """Write the files and a manifest, which may have been made for others."""
    names = [f"data/{number} [of] {{%41}}.{EXTENSIONS[file_format]}" for number in range(len(contents))]
    (folder / "data").mkdir()
    for name, content in zip(names, contents, strict=True):
        (folder / name).write_bytes(content)
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest_bytes(file_format, dict(zip(names, verified or contents, strict=True))))
    return manifest


async def refused(database: Database, remote: str, folder: Path, manifest: Path) -> str:
    settings = settings_for(folder)
    engine = await engine_for(database, remote, settings, manifest)
    with pytest.raises(BadInventory) as refusal:
        await publish_by(engine, database, settings, manifest)
    assert not list(settings.spool.glob("*"))
    return str(refusal.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (csv_with(Bucket="another"), '"another"'),
        (csv_with(Key="a%FFb"), "UTF-8"),
        (csv_with(Size="many"), "Size"),
        (csv_with(LastModifiedDate="2024"), "LastModifiedDate"),
        (csv_gz([csv_text(SOUND), csv_text(Row("a/1"))[:-1]]), "fields"),
    ],
    ids=["bucket", "text", "size", "time", "fields"],
)
async def test_a_bad_row_of_a_csv_file(
    database: Database, remote: str, tmp_path: Path, content: bytes, words: str
) -> None:
    sound = data_file("CSV", [Row("b/0")])
    said = await refused(database, remote, tmp_path, listed_in(tmp_path, "CSV", [sound, content]))
    assert "data/1 [of] {%41}.csv.gz, row 2" in said
    assert words in said


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
async def test_a_bad_row_of_a_columnar_file(
    database: Database, remote: str, tmp_path: Path, file_format: FileFormat
) -> None:
    content = data_file(file_format, [SOUND, Row("a/1", bucket="another", is_latest=False)])
    said = await refused(database, remote, tmp_path, listed_in(tmp_path, file_format, [content]))
    assert f".{EXTENSIONS[file_format]}, row 2" in said
    assert '"another"' in said


async def test_text_that_is_not_utf8(database: Database, remote: str, tmp_path: Path) -> None:
    table = arrow([SOUND, Row("a/1")])
    marked = parquet_bytes(table, compression="none", use_dictionary=False)
    said = await refused(
        database, remote, tmp_path, listed_in(tmp_path, "Parquet", [marked.replace(b"a/1", b"a\xff1")])
    )
    assert "row 2" in said
    assert "UTF-8" in said


@pytest.mark.parametrize("write", [orc_bytes, parquet_bytes])
async def test_a_promised_column_that_one_file_lacks(
    database: Database, remote: str, tmp_path: Path, write: object
) -> None:
    file_format: FileFormat = "ORC" if write is orc_bytes else "Parquet"
    other = arrow([SOUND], [name for name in ALL if name != "Size"])
    contents = [data_file(file_format, [Row("b/0")]), orc_bytes(other) if write is orc_bytes else parquet_bytes(other)]
    said = await refused(database, remote, tmp_path, listed_in(tmp_path, file_format, contents))
    assert "data/1" in said
    assert "size" in said


@pytest.mark.parametrize("other", [Row("a/0"), Row("a/0", is_delete_marker=True, size=None, e_tag=None)])
async def test_a_key_that_is_listed_twice(database: Database, remote: str, tmp_path: Path, other: Row) -> None:
    contents = [data_file("CSV", [SOUND]), data_file("CSV", [Row("b"), other])]
    said = await refused(database, remote, tmp_path, listed_in(tmp_path, "CSV", contents))
    assert "data/1 [of] {%41}.csv.gz, row 2" in said
    assert "a/0" in said


async def test_a_file_that_is_not_the_listed_one(database: Database, remote: str, tmp_path: Path) -> None:
    listed, there = data_file("Parquet", [Row("a")]), data_file("Parquet", [Row("b")])
    assert len(listed) == len(there)
    said = await refused(database, remote, tmp_path, listed_in(tmp_path, "Parquet", [there], [listed]))
    assert "MD5" in said


async def test_a_gzip_that_was_cut(database: Database, remote: str, tmp_path: Path) -> None:
    content = data_file("CSV", [Row(f"a/{number}") for number in range(2000)])[:-20]
    assert ".csv.gz" in await refused(database, remote, tmp_path, listed_in(tmp_path, "CSV", [content]))
