"""Do many things at once, but no more than so many at a time, and fail with one error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def each(things: Sequence[T], do: Callable[[T], Awaitable[R]], at_once: int) -> list[R]:
    """Await `do` of each thing, and give the results in their order.

    When one fails the others are cancelled, and have ended before its error is raised; where several have failed by
    then, it is the error of the earliest thing.
    """
    turn = asyncio.Semaphore(at_once)

    async def in_turn(thing: T) -> R:
        async with turn:
            return await do(thing)

    tasks: list[asyncio.Task[R]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(in_turn(thing)) for thing in things]
    except BaseExceptionGroup as errors:
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error from errors
        raise
    return [task.result() for task in tasks]
