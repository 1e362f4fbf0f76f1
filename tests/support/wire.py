"""A wire to PostgreSQL that breaks at COMMIT or within a COPY: a small proxy that reads the messages as they pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, urlsplit

Moment = Literal["before", "after"]
Direction = Literal["TO STDOUT", "FROM STDIN"]
SSL_OR_GSS = {80877103, 80877104}  # what a client asks before it begins; the server answers with one byte
COPY_DATA = b"d"


@dataclass
class Session:
    """What the two ways of one connection know of each other.

    Once `deaf`, the client is to hear nothing more; `copied` is how many bytes of its COPY have passed (None: it has none).
    """

    deaf: bool = False
    copied: int | None = None


@dataclass
class Wire:
    """A running proxy.

    Once `cut` is called, the next COMMIT of a transaction that has sent a statement with `after_statement` in it breaks
    its connection: before the server has seen it, or after the server did it and before the client hears of it.
    Once `cut_copy` is called, the first COPY with `of` in its statement of which so many bytes have passed breaks its
    connection. `cuts` counts how often either has happened.
    """

    socket: str
    port: int = 0
    cuts: int = 0
    _moment: Moment | None = None
    _after: bytes = b""
    _copy: tuple[Direction, int] | None = None
    _of: bytes = b""
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    def cut(self, moment: Moment, *, after_statement: str) -> None:
        self._moment, self._after = moment, after_statement.encode()

    def cut_copy(self, direction: Direction, *, after_bytes: int, of: str = "") -> None:
        self._copy, self._of = (direction, after_bytes), of.encode()

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        server, to_server = await asyncio.open_unix_connection(self.socket)
        session = Session()
        forth = asyncio.create_task(self._forth(client, to_server, session))
        back = asyncio.create_task(self._back(server, to_client, session))
        try:
            await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (forth, back):
                one.cancel()
            await asyncio.gather(forth, back, return_exceptions=True)
            for writer in (to_client, to_server):
                writer.transport.abort()
            self._open.discard(task)

    async def stop(self) -> None:
        open_ones = list(self._open)
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    async def _forth(self, client: asyncio.StreamReader, server: asyncio.StreamWriter, session: Session) -> None:
        """Pass on what the client says, message by message."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:  # the messages before the session begins have no type
                head = await client.readexactly(8)
                server.write(head + await client.readexactly(int.from_bytes(head[:4], "big") - 8))
                if int.from_bytes(head[4:], "big") not in SSL_OR_GSS:
                    break
            marked = False
            while True:
                head = await client.readexactly(5)
                body = await client.readexactly(int.from_bytes(head[1:], "big") - 4)
                marked = marked or bool(self._moment and self._after in body)
                if head[:1] == b"Q" and marked and body.upper().startswith(b"COMMIT"):
                    moment, self._moment = self._moment, None
                    self.cuts += 1
                    if moment == "before":
                        return
                    session.deaf = True
                if (
                    head[:1] in {b"Q", b"P"}
                    and self._copy is not None
                    and self._copy[0].encode() in body
                    and self._of in body
                ):
                    session.copied = 0
                if head[:1] == COPY_DATA and self._room("FROM STDIN", session, len(body)) < len(body):
                    return
                server.write(head + body)
                await server.drain()

    def _room(self, direction: Direction, session: Session, size: int) -> int:
        """Count what is about to pass of a session's COPY; tell how many bytes may: fewer, when the connection breaks."""
        if session.copied is None or self._copy is None or self._copy[0] != direction:
            return size
        room = self._copy[1] - session.copied
        session.copied += size
        if size <= room:
            return size
        self._copy = None
        self.cuts += 1
        return room

    async def _back(self, server: asyncio.StreamReader, client: asyncio.StreamWriter, session: Session) -> None:
        """Pass on what the server says; once the client is to hear nothing, what it says ends the connection."""
        with suppress(ConnectionError):
            while piece := await server.read(1 << 16):
                if session.deaf:
                    return
                room = self._room("TO STDOUT", session, len(piece))
                client.write(piece[:room])
                await client.drain()
                if room < len(piece):
                    return


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[tuple[Wire, str]]:
    """Run a proxy to the database of a URL with a Unix socket; gives it, and the URL that leads through it."""
    parts = urlsplit(url)
    proxy = Wire(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432")
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield proxy, f"postgresql://postgres@127.0.0.1:{proxy.port}{parts.path}"
        finally:
            await proxy.stop()
