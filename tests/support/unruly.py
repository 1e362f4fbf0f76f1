"""A store that misbehaves: a small HTTP proxy before a real one that refuses, breaks off or stalls when told to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Wanted = Callable[[str], bool]


@dataclass
class Fault:
    """What to do to the next `times` requests whose first line is `wanted`."""

    times: int
    wanted: Wanted
    status: int | None = None
    body_bytes: int | None = None
    stall: bool = False


@dataclass
class Unruly:
    """A running proxy; `requests` are the first lines of what was asked."""

    upstream: str
    endpoint: str = ""
    requests: list[str] = field(default_factory=list)
    _faults: list[Fault] = field(default_factory=list)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    def answer(self, status: int, times: int = 1, wanted: Wanted = lambda _: True) -> None:
        """Answer with a status and no more."""
        self._faults.append(Fault(times, wanted, status=status))

    def break_off(self, body_bytes: int, times: int = 1, wanted: Wanted = lambda line: line.startswith("GET")) -> None:
        """Close the connection after so many bytes of the body."""
        self._faults.append(Fault(times, wanted, body_bytes=body_bytes))

    def stall(self, times: int = 1, wanted: Wanted = lambda line: line.startswith("GET")) -> None:
        """Never answer."""
        self._faults.append(Fault(times, wanted, stall=True))

    async def go_on(self) -> None:
        """Misbehave no more, and let those who wait for an answer ask again."""
        self._faults.clear()
        await self.stop()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's only request."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._answer(await reader.readuntil(b"\r\n\r\n"), reader, writer)
        finally:
            self._serving.discard(task)
            writer.close()

    async def stop(self) -> None:
        """Leave the requests that are still being answered."""
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = head.partition(b"\r\n")[0].decode()
        self.requests.append(line)
        fault = self._fault(line)
        if fault is not None and fault.stall:
            await reader.read()  # until the client goes away
        elif fault is not None and fault.status is not None:
            writer.write(b"HTTP/1.1 %d Unruly\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % fault.status)
            await writer.drain()
        else:
            await self._pass_on(head, writer, None if fault is None else fault.body_bytes)

    def _fault(self, line: str) -> Fault | None:
        for fault in self._faults:
            if fault.times and fault.wanted(line):
                fault.times -= 1
                return fault
        return None

    async def _pass_on(self, head: bytes, writer: asyncio.StreamWriter, body_bytes: int | None) -> None:
        """Ask the real store, and give its answer, or no more of the body than so many bytes."""
        parts = urlsplit(self.upstream)
        upstream, asking = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            plain = re.sub(rb"\r\nconnection:[^\r]*", b"", head, flags=re.IGNORECASE)
            asking.write(plain[:-2] + b"Connection: close\r\n\r\n")
            writer.write(await upstream.readuntil(b"\r\n\r\n"))
            while piece := await upstream.read(1 << 16):
                if body_bytes is not None:
                    piece, body_bytes = piece[:body_bytes], body_bytes - len(piece)
                writer.write(piece)
                await writer.drain()
                if body_bytes is not None and body_bytes <= 0:
                    return
        finally:
            asking.close()
            await asking.wait_closed()


@asynccontextmanager
async def unruly(upstream: str) -> AsyncIterator[Unruly]:
    """Run a proxy in front of `upstream` until the end of the block."""
    proxy = Unruly(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy.endpoint = f"http://127.0.0.1:{port}"
    async with server:
        try:
            yield proxy
        finally:
            await proxy.stop()
