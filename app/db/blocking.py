"""Work that blocks (Arrow, DuckDB, libpq), done in a thread and interruptible from the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
NICENESS = 10
"""Niceness of the work on Linux, where each thread has its own: a page that is asked for meanwhile goes first."""


def _give_way() -> None:
    # Threads that DuckDB and Arrow start in such a thread are as nice.
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):  # where it may not, the work goes on as it is
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


_WORK = ThreadPoolExecutor(32, thread_name_prefix="work", initializer=_give_way)
# Not the threads that do the work: with all of those busy, nobody would be left to interrupt them.
_INTERRUPTS = ThreadPoolExecutor(thread_name_prefix="interrupt")


async def aside(function: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
    """Run `function` in a thread that gives way; a caller that is cancelled does not wait for its end."""
    return await asyncio.get_running_loop().run_in_executor(_WORK, contextvars.copy_context().run, function, *arguments)


async def in_thread(function: Callable[[], T], *, interrupt: Callable[[], None]) -> T:
    """Run `function` as `aside` does; when the caller is cancelled, `interrupt` it and wait until it has let go.

    Waiting matters: a thread that still writes to a connection or a file must not outlive the run it worked for.
    """
    task = asyncio.create_task(aside(function))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            # Again and again, since an interrupt between two statements hits neither. It may have to connect to a
            # server that does not answer, so that it holds up a thread of its own and not the event loop.
            asked = asyncio.get_running_loop().run_in_executor(_INTERRUPTS, interrupt)
            while not asked.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({asked})
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task}, timeout=0.2)
        task.cancelled() or task.exception()  # looked at, so that nobody warns of it
        raise
