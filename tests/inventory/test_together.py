from __future__ import annotations

import asyncio

import pytest

from app.inventory.together import each


async def test_the_results_come_in_the_order_of_the_things() -> None:
    async def slower_first(number: int) -> int:
        await asyncio.sleep(0.01 / (number + 1))
        return number * 10

    assert await each(range(5), slower_first, 3) == [0, 10, 20, 30, 40]
    assert await each([], slower_first, 3) == []


async def test_no_more_are_done_at_once_than_allowed() -> None:
    now = most = 0

    async def count(_: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1

    await each(range(20), count, 4)
    assert (now, most) == (0, 4)


async def test_of_several_errors_the_earliest_is_raised() -> None:
    together = asyncio.Barrier(3)

    async def fail(number: int) -> None:
        await together.wait()
        raise ValueError(str(number))

    with pytest.raises(ValueError, match="0"):
        await each(range(3), fail, 3)


async def test_the_others_have_ended_when_one_has_failed() -> None:
    begun, ended = [], []

    async def work(number: int) -> None:
        begun.append(number)
        try:
            if number == 2:
                raise OSError("two")
            await asyncio.sleep(60)
        finally:
            ended.append(number)

    with pytest.raises(OSError, match="two"):
        await each(range(5), work, 3)
    assert set(begun) == set(ended) >= {0, 1, 2}
