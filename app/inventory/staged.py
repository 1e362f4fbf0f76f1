"""Read the inventory that a job has staged, our own or ORCA's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import duckdb
import pyarrow as pa
from duckdb import ConstantExpression, StarExpression
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.blocks import NUMBER, TEXT, TIME
from app.db.queries import Queries
from app.db.table import TableReader
from app.errors import BadInventory, EngineUnavailable, InventorySuperseded, NotStaged
from app.inventory.sql import UNQUOTED, over_raw

SQL = Queries("app.inventory", "staged.sql")
OBJECTS = pa.schema(
    {"key_path": TEXT, "etag": TEXT, "size_in_bytes": NUMBER, "last_update": TIME, "storage_class": TEXT}
)


@dataclass(frozen=True, slots=True)
class Staged:
    """Where the rows of an archive location are staged: `table`, quoted by PostgreSQL."""

    table: str
    own_rows: bool
    in_one_table: bool


async def staged_in(connection: AsyncConnection, *, archive_location: str, job_id: int, may_be_empty: bool) -> Staged:
    """Find the staged rows of a job, and keep them from being truncated until the transaction ends.

    Raises `InventorySuperseded` when there are only another's, and `NotStaged` when there are none, unless there may be
    none: ORCA does not say how many there were, and a partition that its next job has just emptied looks the same.
    """
    values = {"archive_location": archive_location}
    table = str((await connection.execute(SQL["partition"], values)).scalar_one())
    held = (await connection.execute(SQL.of_table("held", "the_partition", table), {"job_id": job_id})).one()
    if held.any_rows and not held.own_rows:
        raise InventorySuperseded(
            f"Another job has since staged {archive_location}: job {job_id} has no rows of its own any more."
        )
    if not held.any_rows and not may_be_empty:
        raise no_rows(job_id)
    return Staged(table, held.own_rows, held.in_one_table)


def no_rows(job_id: int) -> NotStaged:
    """Say that nothing is staged of a job of which nobody knows whether its inventory was empty."""
    return NotStaged(
        f"Job {job_id} has no staged rows, and nothing says that its inventory was empty: stage it again, "
        "or, if it was, reconcile with force."
    )


@dataclass(frozen=True, slots=True)
class StagedRows:
    """What one job has staged of S3, in the state that a transaction sees; read once."""

    reader: TableReader

    @classmethod
    async def under(
        cls, connection: AsyncConnection, url: str, *, archive_location: str, job_id: int, may_be_empty: bool
    ) -> Self:
        """Prepare to read what `connection`'s REPEATABLE READ transaction sees; it has to stay open meanwhile.

        Raises what `staged_in` raises, and `EngineUnavailable` when the rows have no table of their own.
        """
        staged = await staged_in(
            connection, archive_location=archive_location, job_id=job_id, may_be_empty=may_be_empty
        )
        if staged.own_rows and not staged.in_one_table:
            raise EngineUnavailable(
                f"The staged rows of {archive_location} have no partition of their own: use engine postgres."
            )
        condition = "job_id = %1$L AND NOT delete_marker"
        return cls(await TableReader.under(connection, url, staged.table, OBJECTS, condition, job_id))

    def latest(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """Give what is in S3, as `InventoryFiles.latest` does; reading it fails with `duckdb.Error`."""
        in_s3 = over_raw(connection.from_arrow(self.reader.stream()), UNQUOTED)
        return in_s3.select(StarExpression(), ConstantExpression(False).alias("delete_marker"))  # noqa: FBT003  (a value of SQL)

    def explain(self, _: duckdb.DuckDBPyConnection, error: Exception) -> BadInventory:
        """Raise `error`: what was staged was judged before."""
        raise error

    def explain_duplicate(self, _: duckdb.DuckDBPyConnection, key: str) -> BadInventory:
        """Say that a key was staged more than once."""
        return staged_twice(key)


def staged_twice(key: str) -> BadInventory:
    """Say that a key was staged more than once, which a partition without a key allows."""
    return BadInventory(f"Key {key!r} is staged a second time.")
