"""Work in threads: it is interrupted when its caller is cancelled, and the event loop waits for nobody."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from app.db.blocking import NICENESS, in_thread
from app.db.duck import duckdb_aside


async def test_work_that_is_cancelled_is_interrupted_until_it_lets_go() -> None:
    asked = threading.Semaphore(0)

    def work() -> None:
        for _ in range(3):  # the first two hit nothing
            asked.acquire()

    task = asyncio.create_task(in_thread(work, interrupt=asked.release))
    await asyncio.sleep(0.05)
    task.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_interrupt_that_takes_long_does_not_hold_up_the_event_loop() -> None:
    """Asking PostgreSQL to cancel a statement waits for a server that may not answer."""
    stopped = threading.Event()

    def interrupt() -> None:
        time.sleep(2)
        stopped.set()

    task = asyncio.create_task(in_thread(stopped.wait, interrupt=interrupt))
    await asyncio.sleep(0.05)
    task.cancel()
    longest = 0.0
    while not task.done():
        before = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - before)
    assert stopped.is_set()
    assert longest < 1
    with pytest.raises(asyncio.CancelledError):
        await task


by_thread = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives each thread its own niceness")


def niceness(thread: int | None = None) -> int:
    return os.getpriority(os.PRIO_PROCESS, thread or threading.get_native_id())


def threads() -> set[int]:
    return {int(task.name) for task in Path("/proc/self/task").iterdir()}


@by_thread
async def test_work_and_the_threads_that_it_starts_give_way_to_the_event_loop() -> None:
    found = []

    def work() -> None:
        thread = threading.Thread(target=lambda: found.append(niceness()))
        thread.start()
        thread.join()
        found.append(niceness())

    before = niceness()
    await in_thread(work, interrupt=lambda: None)
    assert found == [max(before, NICENESS)] * 2
    assert niceness() == before


@by_thread
async def test_the_threads_of_a_duckdb_give_way() -> None:
    before = threads()
    async with duckdb_aside(64 << 20, threads=4):
        own = threads() - before
        assert len(own) >= 3  # the fourth is whoever asks
        assert {niceness(thread) for thread in own} == {max(niceness(), NICENESS)}
