"""Read the catalog of one archive location."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.blocks import NUMBER, TEXT, BlockReader
from app.db.queries import Queries

SQL = Queries("app.catalog", "read.sql")
FILES = pa.schema({"id": NUMBER, "key_path": TEXT, "etag": TEXT, "size_in_bytes": NUMBER, "storage_class_id": NUMBER})


@dataclass(frozen=True, slots=True)
class Catalog:
    """The files of one archive location in the state that a transaction sees.

    `files` reads the rows of `FILES`, the ETags as they are; `about` is how many PostgreSQL's planner expects, and
    `storage_classes` says what the ids mean.
    """

    files: BlockReader
    about: int
    storage_classes: Mapping[int, str]

    @classmethod
    async def under(cls, connection: AsyncConnection, url: str, archive_location: str) -> Self:
        """Prepare to read what `connection`'s REPEATABLE READ transaction sees; it has to stay open meanwhile."""
        condition = "orca_archive_location = %1$L"
        files = await BlockReader.under(connection, url, "orca.files", FILES, condition, archive_location)
        (guess,) = (await connection.execute(SQL["about"], {"archive_location": archive_location})).scalar_one()
        classes = await connection.execute(SQL["storage_classes"])
        return cls(files, guess["Plan"]["Plan Rows"], {row.id: row.value for row in classes})
