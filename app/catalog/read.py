"""Read the catalog of one archive location."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.blocks import NUMBER, TEXT
from app.db.plans import nodes
from app.db.queries import Queries
from app.db.table import TableReader

SQL = Queries("app.catalog", "read.sql")
FILES = pa.schema({"id": NUMBER, "key_path": TEXT, "etag": TEXT, "size_in_bytes": NUMBER, "storage_class_id": NUMBER})

SMALL_PART = 0.02
"""Of the table: a file that an index finds costs a dozen times one in passing, and more where a disk has to give it."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The files of one archive location in the state that a transaction sees.

    `files` reads the rows of `FILES`, the ETags as they are; `about` is how many PostgreSQL's planner expects, and
    `storage_classes` says what the ids mean.
    """

    files: TableReader
    about: int
    storage_classes: Mapping[int, str]

    @classmethod
    async def under(cls, connection: AsyncConnection, url: str, archive_location: str) -> Self:
        """Prepare to read what `connection`'s REPEATABLE READ transaction sees; it has to stay open meanwhile.

        Where the archive location has a small part of the table, and the planner would not read all of that for it,
        only its files are read.
        """
        (explained,) = (await connection.execute(SQL["plan"], {"archive_location": archive_location})).scalar_one()
        plan = explained["Plan"]
        about: int = plan["Plan Rows"]
        table = (await connection.execute(SQL["table"])).one()
        few = (
            table.looked_at
            and about <= SMALL_PART * table.rows
            and all(node["Node Type"] != "Seq Scan" for node in nodes(plan))
        )
        condition = "orca_archive_location = %1$L"
        files = await TableReader.under(connection, url, "orca.files", FILES, condition, archive_location, few=few)
        classes = await connection.execute(SQL["storage_classes"])
        return cls(files, about, {row.id: row.value for row in classes})
