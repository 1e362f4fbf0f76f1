"""Looking digests up gives what a join gives, whatever the memory; where nothing is proven, the join decides."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from duckdb import ConstantExpression, Expression
from hypothesis import given
from hypothesis import strategies as st

from app.compare import duckdb
from app.compare.digests import FILE_BYTES, look_up
from app.db.duck import open_duckdb
from app.db.engine import Database
from app.settings import Settings
from tests.support.archive import catalog_file, insert_catalog, published
from tests.support.little_memory import IN_LITTLE_MEMORY, chosen
from tests.support.manifests import row, run, write

Digest = tuple[int, int]

LAST = 2**64 - 1
HEADS = st.integers(0, LAST - 1) | st.sampled_from([0, 1, 2**32, 2**63 - 1, 2**63, LAST - 1])
TAILS = st.integers(0, LAST)
UNEQUAL = "SELECT file_id, CAST(key_path AS BIGINT) FROM unequal"


@st.composite
def sides(draw: st.DrawFn) -> tuple[list[Digest], list[Digest]]:
    """Draw two sides that share some digests, whose heads are all different."""
    drawn = draw(st.dictionaries(HEADS, st.tuples(TAILS, st.sampled_from(["both", "files", "objects"])), max_size=40))
    files = [(head, tail) for head, (tail, where) in drawn.items() if where != "objects"]
    objects = [(head, tail) for head, (tail, where) in drawn.items() if where != "files"]
    return draw(st.permutations(files)), draw(st.permutations(objects))


def looked_up(files: Sequence[Digest], objects: Sequence[Digest], memory_limit: int) -> tuple[int, set[object]] | None:
    """Give the number of objects, and the number of each file and of each object that has no equal."""
    with closing(open_duckdb(100_000_000)) as memory:
        memory.from_arrow(table(files, id=pa.int64())).create_view("catalog_file")
        columns = {"key_path": pa.string(), "etag": pa.string(), "size_in_bytes": pa.int64()}
        more = {"last_update": pa.timestamp("us", "UTC"), "storage_class": pa.string(), "delete_marker": pa.bool_()}
        memory.from_arrow(table(objects, **columns, **more)).create_view("object")
        number = look_up(memory, memory_limit)
        if number is None:
            assert memory.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'unequal'").fetchall() == [
                (0,)
            ]
            return None
        return number, set(memory.execute(UNEQUAL).fetchall())


def table(digests: Sequence[Digest], **columns: pa.DataType) -> pa.Table:
    """Make a table of digests, and of columns that hold their place."""
    heads, tails = ([digest[half] for digest in digests] for half in (0, 1))
    places = pa.array(range(len(digests)), pa.int64())
    numbers = {"head": pa.array(heads, pa.uint64()), "tail": pa.array(tails, pa.uint64())}
    return pa.table(numbers | {name: places.cast(kind) for name, kind in columns.items()})


@given(sides(), st.sampled_from([3 * FILE_BYTES, 10 * FILE_BYTES, 10**6]))
def test_what_has_no_equal_is_found_in_any_memory(both: tuple[list[Digest], list[Digest]], memory_limit: int) -> None:
    files, objects = both
    alone: set[object] = {(number, None) for number, digest in enumerate(files) if digest not in objects}
    alone |= {(None, number) for number, digest in enumerate(objects) if digest not in files}
    assert looked_up(files, objects, memory_limit) == (len(objects), alone)


def test_the_last_of_all_heads_is_found() -> None:
    assert looked_up([(LAST, 1), (0, 1)], [(LAST, 1)], FILE_BYTES) == (1, {(1, None)})


@given(sides().filter(lambda both: set(both[0]) & set(both[1])), st.data())
def test_an_object_more_than_its_file_proves_nothing(
    both: tuple[list[Digest], list[Digest]], data: st.DataObject
) -> None:
    files, objects = both
    twice = data.draw(st.sampled_from(sorted(set(files) & set(objects))))
    assert looked_up(files, [*objects, twice], 10**6) is None


@pytest.mark.parametrize(
    ("files", "objects"),
    [
        ([(7, 1)], [(7, 2)]),  # another row with the same head
        ([(7, 1), (7, 2)], [(7, 1), (7, 2)]),
        ([(7, 1), (7, 2)], [(7, 2)]),
        ([], [(LAST, 1)]),
    ],
)
def test_heads_that_are_alike_by_chance_prove_nothing(files: list[Digest], objects: list[Digest]) -> None:
    assert looked_up(files, objects, 10**6) is None


async def test_where_nothing_is_proven_the_join_decides(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    equality = duckdb._equality

    def of_the_same_head(columns: tuple[str, ...]) -> tuple[Expression, Expression]:
        _, tail = equality(columns)
        return ConstantExpression(1).cast("UBIGINT").alias("head"), tail

    monkeypatch.setattr(duckdb, "_equality", of_the_same_head)
    await insert_catalog(database, [catalog_file(key) for key in ("same", "also", "changed", "phantom")])
    listed = [row("same"), row("also"), row("changed", Size="1"), row("orphan")]
    job = await run(database, settings, write(tmp_path, listed), engine=chosen(IN_LITTLE_MEMORY, monkeypatch))
    assert (job.status, job.inventory_objects, job.catalog_files) == ("success", 4, 4)
    found = await published(database, job.id)
    assert (found.phantoms, found.orphans) == ({"phantom"}, {"orphan"})
    assert found.mismatches == {"changed": "size_in_bytes"}
