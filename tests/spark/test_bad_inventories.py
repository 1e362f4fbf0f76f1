"""What a data file must not be fails the run, and the job is told which file and row it is."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from app.db.engine import Database
from app.inventory.columns import FileFormat
from tests.inventory.building import (
    ALL,
    BUCKET,
    CREATED,
    EXTENSIONS,
    Row,
    arrow,
    csv_gz,
    csv_text,
    data_file,
    orc_bytes,
    parquet_bytes,
)
from tests.oracle import reconcile
from tests.spark.runs import run, settings_for
from tests.spark.samples import listed_in
from tests.support.archive import published

pytestmark = pytest.mark.spark

SOUND = Row("a/0")
NOTHING = reconcile((), (), bucket=BUCKET, cutoff=CREATED)
CUT = ",".join(f'"{field}"' for field in csv_text(Row("a/1")))[:-3]  # within the last field


def csv_with(**changed: str) -> bytes:
    """Write a CSV file whose second row has other texts in some fields."""
    fields = dict(zip(ALL, csv_text(Row("a/1")), strict=True)) | changed
    return csv_gz([csv_text(SOUND), list(fields.values())])


async def refused(database: Database, remote: str, folder: Path, manifest: Path) -> str:
    settings = settings_for(folder, remote)
    job = await run(database, settings, manifest)
    assert (job.status, job.attempt) == ("error", 1)
    assert await published(database, job.id) == NOTHING
    assert not list(settings.spool.glob("*"))
    return str(job.error_message)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (csv_with(Bucket="another"), '"another"'),
        (csv_with(Key="a%FFb"), "UTF-8"),
        (csv_with(Size="many"), "Size"),
        (csv_with(LastModifiedDate="2024"), "LastModifiedDate"),
        (csv_with(Size="-1"), "negative"),
        (csv_with(IsLatest="maybe"), "IsLatest"),
        (csv_gz([csv_text(SOUND), csv_text(Row("a/1"))[:-1]]), "fields"),
        (gzip.compress(gzip.decompress(csv_gz([csv_text(SOUND)])) + CUT.encode()), "in the middle of a row"),
    ],
    ids=["bucket", "text", "size", "time", "negative", "truth", "fields", "cut"],
)
async def test_a_bad_row_of_a_csv_file(
    on_tcp: Database, remote: str, tmp_path: Path, content: bytes, words: str
) -> None:
    sound = data_file("CSV", [Row("b/0")])
    said = await refused(on_tcp, remote, tmp_path, listed_in(tmp_path, "CSV", [sound, content]))
    assert "data/1 [of] {%41}.csv.gz, row 2" in said
    assert words in said


@pytest.mark.parametrize("file_format", ["ORC", "Parquet"])
async def test_a_bad_row_of_a_columnar_file(
    on_tcp: Database, remote: str, tmp_path: Path, file_format: FileFormat
) -> None:
    content = data_file(file_format, [SOUND, Row("a/1", bucket="another", is_latest=False)])
    said = await refused(on_tcp, remote, tmp_path, listed_in(tmp_path, file_format, [content]))
    assert f".{EXTENSIONS[file_format]}, row 2" in said
    assert '"another"' in said


async def test_text_that_is_not_utf8(on_tcp: Database, remote: str, tmp_path: Path) -> None:
    table = arrow([SOUND, Row("a/1")])
    marked = parquet_bytes(table, compression="none", use_dictionary=False)
    said = await refused(on_tcp, remote, tmp_path, listed_in(tmp_path, "Parquet", [marked.replace(b"a/1", b"a\xff1")]))
    assert "row 2" in said
    assert "UTF-8" in said


@pytest.mark.parametrize("write", [orc_bytes, parquet_bytes])
async def test_a_promised_column_that_one_file_lacks(
    on_tcp: Database, remote: str, tmp_path: Path, write: object
) -> None:
    file_format: FileFormat = "ORC" if write is orc_bytes else "Parquet"
    other = arrow([SOUND], [name for name in ALL if name != "Size"])
    contents = [data_file(file_format, [Row("b/0")]), orc_bytes(other) if write is orc_bytes else parquet_bytes(other)]
    said = await refused(on_tcp, remote, tmp_path, listed_in(tmp_path, file_format, contents))
    assert "data/1" in said
    assert "size" in said


@pytest.mark.parametrize("other", [Row("a/0"), Row("a/0", is_delete_marker=True, size=None, e_tag=None)])
async def test_a_key_that_is_listed_twice(on_tcp: Database, remote: str, tmp_path: Path, other: Row) -> None:
    contents = [data_file("CSV", [SOUND]), data_file("CSV", [Row("b"), other])]
    said = await refused(on_tcp, remote, tmp_path, listed_in(tmp_path, "CSV", contents))
    assert "data/1 [of] {%41}.csv.gz, row 2" in said
    assert "a/0" in said


async def test_a_file_that_is_not_the_listed_one(on_tcp: Database, remote: str, tmp_path: Path) -> None:
    listed, there = data_file("Parquet", [Row("a")]), data_file("Parquet", [Row("b")])
    assert len(listed) == len(there)
    said = await refused(on_tcp, remote, tmp_path, listed_in(tmp_path, "Parquet", [there], [listed]))
    assert "MD5" in said


async def test_a_file_of_another_size(on_tcp: Database, remote: str, tmp_path: Path) -> None:
    listed, there = data_file("Parquet", [Row("a")]), data_file("Parquet", [Row("b"), Row("c")])
    said = await refused(on_tcp, remote, tmp_path, listed_in(tmp_path, "Parquet", [there], [listed]))
    assert f"{len(there):,} bytes" in said


@pytest.mark.parametrize("write", [orc_bytes, parquet_bytes])
async def test_a_column_of_the_wrong_type(on_tcp: Database, remote: str, tmp_path: Path, write: object) -> None:
    file_format: FileFormat = "ORC" if write is orc_bytes else "Parquet"
    table = arrow([SOUND])
    table = table.set_column(ALL.index("Size"), "size", table["size"].cast(pa.string()))
    content = orc_bytes(table) if write is orc_bytes else parquet_bytes(table)
    said = await refused(on_tcp, remote, tmp_path, listed_in(tmp_path, file_format, [content]))
    assert "size" in said


async def test_a_gzip_that_was_cut(on_tcp: Database, remote: str, tmp_path: Path) -> None:
    content = data_file("CSV", [Row(f"a/{number}") for number in range(2000)])[:-20]
    assert ".csv.gz" in await refused(on_tcp, remote, tmp_path, listed_in(tmp_path, "CSV", [content]))
