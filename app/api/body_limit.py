"""No request's body is read beyond a limit: what is asked for here fits in a few lines."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 2**20


class BodyLimit:
    """Refuse a body of more than `LARGEST_BODY` bytes with 413, as it arrives, whatever length it was said to have."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        read = 0

        async def receive_within_limit() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > LARGEST_BODY:
                raise HTTPException(413, f"A body of more than {LARGEST_BODY} bytes is not read")
            return message

        await self.app(scope, receive_within_limit, send)
