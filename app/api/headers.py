"""What every answer tells a browser: to load nothing from elsewhere, to guess nothing, to keep nothing."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Charts set styles on their elements, which takes `unsafe-inline` for styles; pages have no scripts inside."""

ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]
CSP = b"content-security-policy"
CACHE = b"cache-control"
DEFAULT_CSP = (CSP, POLICY.encode())
KEEP_NOTHING = (CACHE, b"no-store")
ASK_AGAIN = (CACHE, b"private, no-cache")
HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")


class SecurityHeaders:
    """Add the headers to every answer; a route's own policy and caching stay as they are.

    Plain ASGI, and one look at the names: pages are answered by the thousand.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *ALWAYS]
                names = {name for name, _ in headers}
                if CSP not in names:
                    headers.append(DEFAULT_CSP)
                if CACHE not in names:
                    # What has a validator may be kept, and is asked for again each time.
                    headers.append(ASK_AGAIN if b"etag" in names else KEEP_NOTHING)
                if scope["scheme"] == "https":
                    headers.append(HTTPS_ONLY)
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, send_with_headers)
