"""The second pass over an inventory that cannot be used, to say which row is at fault."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import duckdb

from app.db.blocking import in_thread
from app.db.duck import duckdb_aside
from app.errors import BadInventory

MEMORY_LIMIT = 256 << 20

Known = TypeVar("Known")


async def second_pass(
    explain: Callable[[duckdb.DuckDBPyConnection, Known], BadInventory], known: Known
) -> BadInventory:
    """Let `explain` look for what is behind an error or a key, in a thread and with a DuckDB of its own.

    It may take minutes. A caller that is cancelled interrupts it and waits until it has let go of the files.
    """
    async with duckdb_aside(MEMORY_LIMIT) as memory:
        return await in_thread(partial(explain, memory, known), interrupt=memory.interrupt)
