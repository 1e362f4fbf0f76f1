"""The database that the settings name, open for the length of a block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.db.embedded import start_embedded
from app.db.engine import Database
from app.db.migrations import upgrade
from app.settings import Settings


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database of `settings.database_url`; unset, the embedded one, which is started and migrated first."""
    if settings.database_url is not None:
        database = Database.at(settings.database_url.get_secret_value(), pool_size=settings.connections)
    else:
        database = Database.at(
            await asyncio.to_thread(start_embedded, settings.data_dir), pool_size=settings.connections
        )
        await upgrade(database)
    try:
        yield database
    finally:
        await database.dispose()
