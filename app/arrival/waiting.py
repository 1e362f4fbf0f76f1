"""How long to wait after a failure, and how to be woken from it by a stop."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

LONGEST_S = 300.0


def backoff(failures: int) -> float:
    """Give the seconds to wait after so many failures in a row: 1, 2, 4 and so on, up to five minutes, and chance."""
    return min(2.0 ** min(failures - 1, 20), LONGEST_S) * random.uniform(0.8, 1.2)  # noqa: S311  (spreads retries, keeps no secret)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait that long, or until the stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
