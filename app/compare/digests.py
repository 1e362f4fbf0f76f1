"""Digests of files, looked up as the inventory streams past: where there are too many for a join in memory.

An object is looked up by the first half of its digest, its head. That whatever was found is equal is proven at the end,
for all at once: as many objects as files were found, and the other halves, the tails, have the same sum on either side.
So rows that differ are taken for equal only where 128 bits of hash say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import duckdb
import numpy as np
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression
from numpy.typing import NDArray

from app.db.duck import batches
from app.db.queries import Queries

SQL = Queries("app.compare", "digests.sql")
Heads: TypeAlias = NDArray[np.uint64]

FILE_BYTES = 13
"""What a file takes in memory, at most: its head, a mark, and four for where heads with the same first bits begin."""
BITS = 64  # of a head, and of a tail
MOST_FILES = 1 << 31
BATCH_ROWS = 1 << 14


def look_up(memory: duckdb.DuckDBPyConnection, memory_limit: int) -> int | None:
    """Fill `unequal` with the rows of `catalog_file` and `object` that have no equal, and give the number of objects.

    DuckDB keeps 24 bytes of each file, in memory or spilled. Their heads are held beside it in `memory_limit` bytes, or
    one part of them after the other, and for each the inventory is read. None: nothing is proven, since a key is listed
    twice or two heads are alike by chance.
    """
    memory.execute(SQL["files"].text)
    memory.execute(SQL["unequal"].text)
    most = min(memory_limit // FILE_BYTES, MOST_FILES)
    prefix = (max(_count(memory, "file") - 1, 0) // most).bit_length()
    objects = 0
    for part in range(1 << prefix):
        in_part = _between(part << BITS - prefix, (part + 1 << BITS - prefix) - 1)
        memory.table("file").filter(in_part).create_view("part", replace=True)
        lookup = Lookup(_heads(memory), prefix)
        _insert(memory, lookup.unequal(memory.view("object").filter(in_part)))
        memory.from_arrow(lookup.lonely()).create_view("lonely", replace=True)
        memory.execute(SQL["files_alone"].text)
        ((others, tails),) = memory.execute(SQL["others"].text).fetchall()
        if (lookup.found, lookup.tails % (1 << BITS)) != (others, tails % (1 << BITS)):
            memory.execute(SQL["drop"].text)
            return None
        objects += lookup.objects
    return objects


class Lookup:
    """The heads of files, all with the same first `prefix` bits, and which of them an object had.

    They are sorted where they are, with one more at the end, which is not a file's. `objects` have been looked up,
    `found` of them were there, and `tails` is the sum of those objects' tails.
    """

    def __init__(self, heads: Heads, prefix: int) -> None:
        heads[-1] = (1 << BITS) - 1  # beyond which no search goes
        _sort(heads)
        self._heads = heads
        self._had = np.zeros(len(heads), dtype=np.bool_)
        bits = max(len(heads) - 1, 1).bit_length() - 1
        self._prefix, self._shift = np.uint64(prefix), np.uint64(BITS - bits)
        self._begins = self._beginnings(1 << bits)
        self.objects = self.found = self.tails = 0

    def unequal(self, objects: duckdb.DuckDBPyRelation) -> Iterator[pa.RecordBatch]:
        """Look up objects, and give those that are not there. Raises `duckdb.Error`."""
        for batch in batches(objects, BATCH_ROWS):
            found = self.find(batch.column("head").to_numpy())
            self.objects += len(found)
            self.found += int(np.count_nonzero(found))
            self.tails += int(batch.column("tail").to_numpy().sum(where=found))
            if not found.all():
                yield batch.filter(pa.array(~found))

    def find(self, heads: Heads) -> NDArray[np.bool_]:
        """Tell which heads are there, and remember it."""
        places = self._begins.take(self._first_bits(heads)).astype(np.int64)
        there = self._heads.take(places)
        found: NDArray[np.bool_] = there == heads
        on = np.flatnonzero(there < heads)
        while on.size:
            places[on] += 1
            there, wanted = self._heads.take(places[on]), heads[on]
            found[on] = there == wanted
            on = on[there < wanted]
        self._had[places[found]] = True
        return found

    def lonely(self) -> pa.Table:
        """Give the heads that no object had."""
        return pa.table({"head": self._heads[:-1][~self._had[:-1]]})

    def _first_bits(self, heads: Heads) -> NDArray[np.int64]:
        return ((heads << self._prefix) >> self._shift).view(np.int64)

    def _beginnings(self, number: int) -> NDArray[np.uint32]:
        """Tell for each of so many first bits how many heads come before those that begin with them."""
        begins = np.zeros(number + 1, dtype=np.uint32)
        for at in range(0, len(self._heads) - 1, BATCH_ROWS):
            some = self._first_bits(self._heads[:-1][at : at + BATCH_ROWS])
            begins[some[0] + 1 : some[-1] + 2] += np.bincount(some - some[0]).astype(np.uint32)
        return np.cumsum(begins, dtype=np.uint32, out=begins)[:-1]


def _between(first: int, last: int) -> duckdb.Expression:
    head = ColumnExpression("head")
    return (head >= ConstantExpression(first).cast("UBIGINT")) & (head <= ConstantExpression(last).cast("UBIGINT"))


def _count(memory: duckdb.DuckDBPyConnection, name: str) -> int:
    ((rows,),) = memory.table(name).count("*").fetchall()
    return int(rows)


def _heads(memory: duckdb.DuckDBPyConnection) -> Heads:
    """Give the heads of `part`, and a place more."""
    heads = np.empty(_count(memory, "part") + 1, dtype=np.uint64)
    at = 0
    for batch in batches(memory.view("part").select("head"), BATCH_ROWS):
        heads[at : at + batch.num_rows] = batch.column("head").to_numpy()
        at += batch.num_rows
    return heads


def _sort(heads: Heads) -> None:
    """Sort where they are, by two threads."""
    middle = len(heads) // 2
    heads.partition(middle)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(np.ndarray.sort, (heads[:middle], heads[middle:])))


def _insert(memory: duckdb.DuckDBPyConnection, objects: Iterable[pa.RecordBatch]) -> None:
    """Keep objects in `unequal`, by a connection of its own, since `memory` is busy giving them."""
    with memory.cursor() as writing:
        for kept in _gathered(objects):
            writing.from_arrow(kept).create_view("kept", replace=True)
            writing.execute(SQL["objects"].text)


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    some: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        some.append(batch)
        rows += batch.num_rows
        if rows >= BATCH_ROWS:
            yield pa.Table.from_batches(some)
            some, rows = [], 0
    if some:
        yield pa.Table.from_batches(some)
