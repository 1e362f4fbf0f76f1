"""The network between the service and a cluster: cut, and mended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from tests.support.spark import free_port


class Wire:
    """An address at which a server is reached within the `async with` block, and not outside of it."""

    def __init__(self, remote: str) -> None:
        self._server_port = int(remote.rpartition(":")[2])
        self._port = free_port()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def remote(self) -> str:
        return f"sc://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._join, "127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _join(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        far, to_far = await asyncio.open_connection("127.0.0.1", self._server_port)
        for task in (asyncio.create_task(_carry(near, to_far)), asyncio.create_task(_carry(far, to_near))):
            self._tasks.add(task)


@contextmanager
def silent() -> Iterator[int]:
    """Take connections and say nothing, for the length of the block; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while piece := await source.read(1 << 16):
            sink.write(piece)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()
