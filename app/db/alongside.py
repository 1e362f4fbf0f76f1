"""What goes on by itself while something else is being done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def alongside(endless: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Let something go on for the length of the block; its own errors are its own to handle."""
    task = asyncio.create_task(endless)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
