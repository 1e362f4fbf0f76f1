"""An HTTP/1.1 client that costs next to nothing, so that on two cores it is the server that is measured."""

from __future__ import annotations

import asyncio
import time
from typing import cast
from urllib.parse import urlsplit


class Connection(asyncio.Protocol):
    """One kept-alive connection that asks for one page after the other."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._needed: int | None = None
        self._answer: asyncio.Future[bytes] | None = None

    @classmethod
    async def to(cls, address: str) -> Connection:
        """Connect to the server at an address like http://127.0.0.1:8000."""
        host, _, port = urlsplit(address).netloc.partition(":")
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, int(port))
        return connection

    async def get(self, path: str) -> bytes:
        """Give the body at `path`; any status but 200 is an error."""
        assert self._transport is not None
        if self._transport.is_closing():
            raise ConnectionResetError("The server has closed the connection, as it does with one that is idle.")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
        return await self._answer

    async def seconds(self, path: str) -> float:
        """Time one request."""
        start = time.perf_counter()
        await self.get(path)
        return time.perf_counter() - start

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Collect an answer, and give it once it is whole."""
        self._received += data
        if self._needed is None:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._received[:end])
            assert head.startswith(b"HTTP/1.1 200"), head
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            self._needed = end + 4 + int(length.partition(b":")[2])
        if len(self._received) >= self._needed and self._answer is not None:
            body = bytes(self._received).partition(b"\r\n\r\n")[2]
            self._received.clear()
            self._needed = None
            self._answer.set_result(body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that is waiting."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())


async def rate(address: str, path: str, *, connections: int = 4, seconds: float = 4.0) -> float:
    """Give the requests a second that the server answers to a few connections that never pause."""
    deadline = time.perf_counter() + seconds
    opened = [await Connection.to(address) for _ in range(connections)]

    async def ask(connection: Connection) -> int:
        answered = 0
        while time.perf_counter() < deadline:
            await connection.get(path)
            answered += 1
        return answered

    start = time.perf_counter()
    answered = sum(await asyncio.gather(*(ask(connection) for connection in opened)))
    spent = time.perf_counter() - start
    for connection in opened:
        connection.close()
    return answered / spent
