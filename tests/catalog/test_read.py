"""The catalog comes whole out of PostgreSQL: every file of the archive location, once, letter for letter."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.catalog import read
from app.catalog.blocks import FILES, unpack
from app.catalog.read import CatalogReader
from app.db.blocking import in_thread
from app.db.engine import Database
from tests.oracle import CatalogFile
from tests.strategies import AWKWARD, BUCKET, OTHER_BUCKET, keys
from tests.support.archive import catalog_file, empty, insert_catalog

Row = tuple[int, str, str, int, int]

INT8 = st.integers(-(2**63), 2**63 - 1)
ROWS = st.lists(st.tuples(INT8, st.just("") | keys(), st.just("") | keys(), INT8, INT8), min_size=1, max_size=6)


@given(st.lists(ROWS, max_size=4))
def test_blocks_hold_their_rows(blocks: list[list[Row]]) -> None:
    packed = pa.RecordBatch.from_pylist(
        [dict(zip(FILES.names, _packed(rows), strict=True)) for rows in blocks],
        pa.schema([(name, pa.binary()) for name in FILES.names]),
    )
    assert [tuple(row.values()) for row in unpack(packed).to_pylist()] == [row for rows in blocks for row in rows]


def _packed(rows: Sequence[Row]) -> list[bytes]:
    """Pack rows as PostgreSQL does."""
    ids, key_paths, etags, sizes, classes = zip(*rows, strict=True)
    numbers = [pack(f">{len(rows)}q", *column) for column in (ids, sizes, classes)]
    texts = [b"\0".join(value.encode() for value in column) for column in (key_paths, etags)]
    return [numbers[0], *texts, *numbers[1:]]


def test_a_block_of_unequal_columns_is_refused() -> None:
    columns = dict(zip(FILES.names, _packed([(1, "a", "e", 2, 3), (2, "b", "e", 2, 3)]), strict=True))
    short = pa.RecordBatch.from_pylist([columns | {"etag": b"e"}], pa.schema([(name, pa.binary()) for name in columns]))
    with pytest.raises(ValueError, match="same length"):
        unpack(short)


@pytest.mark.parametrize("pages", [1, 128])
async def test_every_file_is_read_once(database: Database, monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    monkeypatch.setattr(read, "BLOCK_PAGES", pages)
    files = [catalog_file(f"{part}{number}{'x' * 700}", size=number) for number, part in enumerate(AWKWARD)]
    await empty(database)
    await insert_catalog(database, [*files, catalog_file("elsewhere", archive_location=OTHER_BUCKET)])
    async with database.transaction() as connection:
        # The first pages have nothing to give.
        await connection.execute(text("DELETE FROM orca.files WHERE size_in_bytes < 20"))
    assert await _read(database, BUCKET) == sorted(_compared(file) for file in files[20:])
    assert await _read(database, "no-such-bucket") == []


def _compared(file: CatalogFile) -> tuple[object, ...]:
    return file.key, file.etag, file.size, file.storage_class


async def _read(database: Database, archive_location: str) -> list[tuple[object, ...]]:
    async with database.engine.connect() as pooled:
        connection = await pooled.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            reader = await CatalogReader.under(connection, database.url, archive_location)

            def rows() -> pa.Table:
                with reader:
                    return reader.stream(lambda _: None).read_all()

            table = await in_thread(rows, interrupt=reader.cancel)
    assert reader.rows == table.num_rows
    assert len(set(table["id"].to_pylist())) == table.num_rows
    return sorted(
        (row["key_path"], row["etag"], row["size_in_bytes"], reader.storage_classes[row["storage_class_id"]])
        for row in table.to_pylist()
    )
