"""How many requests there may be at once, and how long each may take: past either, a clear answer and no waiting."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import TooBusy, TookTooLong
from app.settings import Settings

ALWAYS_ANSWERED = "/healthz"


class Bounds:
    """Bound the requests of a process. Raises `TooBusy`, `TookTooLong`, which `RequestId` answers.

    An answer of unknown length is a stream, and from its first byte on has the time of streams: a reader who takes
    nothing any more is cut off in the end.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._most = settings.max_requests
        self._seconds = settings.request_seconds
        self._stream_seconds = settings.stream_seconds
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["path"] == ALWAYS_ANSWERED:
            await self.app(scope, receive, send)
            return
        if self._open >= self._most:
            raise TooBusy(f"{self._most} requests are being answered, which is all there may be. Try again soon.")

        async def send_in_time(message: Message) -> None:
            if message["type"] == "http.response.start" and not any(
                name == b"content-length" for name, _ in message["headers"]
            ):
                limit.reschedule(asyncio.get_running_loop().time() + self._stream_seconds)
            await send(message)

        self._open += 1
        try:
            async with asyncio.timeout(self._seconds) as limit:
                await self.app(scope, receive, send_in_time)
        except TimeoutError:
            if not limit.expired():
                raise
            raise TookTooLong(
                f"This took longer than the {self._seconds:g} s that a request may take. Ask for less, or try again."
            ) from None
        finally:
            self._open -= 1
