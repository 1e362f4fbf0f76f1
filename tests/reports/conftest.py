from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from app.db.engine import Database
from app.db.reader import Reader


@pytest_asyncio.fixture(loop_scope="session")
async def reader(database: Database) -> AsyncIterator[Reader]:
    async with Reader.at(database.url) as reader:
        yield reader
