"""Who may: bearer tokens, known to the service by their SHA-256 alone, access tokens, or a browser's session."""

from __future__ import annotations

import hashlib
import hmac

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from app.api.issuer import AccessToken, Issuer
from app.api.origin import check_origin
from app.api.parameters import settings_of
from app.api.session import COOKIE, is_sealed, unseal
from app.errors import NotAllowed, NoToken
from app.settings import ApiToken, Scope, Settings

ANYBODY = ApiToken(name="anybody", sha256="0" * 64, scopes=frozenset(Scope))
"""Who everybody is where no tokens are set; such a service listens on loopback only."""

READING = {"GET", "HEAD"}

Caller = ApiToken | AccessToken
"""Who sent a request: a `name` for the log, and `scopes`."""

log = structlog.get_logger()


def token_of(settings: Settings, text: str | None) -> ApiToken:
    """Find whose token this is. Raises `NoToken`."""
    if not settings.guarded:
        return ANYBODY
    digest = hashlib.sha256((text or "").encode()).hexdigest()
    # Each one is compared, whatever the others gave, so that the time taken tells nothing.
    matches = [token for token in settings.api_tokens if hmac.compare_digest(token.sha256, digest)]
    if text is None or not matches:
        raise NoToken("Send a valid token: Authorization: Bearer <token>.")
    return matches[0]


async def bearer_of(request: Request, text: str | None) -> Caller:
    """Find whose token this is: one of ours, or an access token. Raises `NoToken`, `IssuerUnavailable`."""
    issuer: Issuer | None = request.app.state.issuer
    try:
        return token_of(settings_of(request), text)
    except NoToken:
        if issuer is None or not text:
            raise
        return await issuer.access_token(text)


async def caller_of(request: Request, text: str | None) -> Caller:
    """Find who sent a request, by the token in its header or by its cookie.

    Raises `NoToken`, `IssuerUnavailable`, `CrossSite`.
    """
    settings = settings_of(request)
    if text is None:
        cookie = request.cookies.get(COOKIE) if settings.guarded else None
        if request.method not in READING:
            # A browser sends cookies, and reaches loopback, for any site's page; only a header is put there on purpose.
            check_origin(request, proof=cookie is not None)
        if cookie is not None:
            return unseal(settings, cookie) if is_sealed(cookie) else await bearer_of(request, cookie)
    return await bearer_of(request, text)


class Allowed(HTTPBearer):
    """Lets a request pass whose token has a scope, and writes down whose it is.

    Without a scope of its own it asks for `read` where the method reads, and for `write` elsewhere. It is the
    documented security scheme itself, for FastAPI takes its time over every dependency, and one will do.
    """

    def __init__(self, scope: Scope | None = None) -> None:
        super().__init__(
            scheme_name="HTTPBearer",
            description="A token that `orca-reconcile token new` made, "
            "or an access token of the OpenID Connect issuer.",
            auto_error=False,
        )
        self._scope = scope

    async def __call__(self, request: Request) -> None:  # type: ignore[override]  # what it found is not asked for
        """Raise `NoToken`, `CrossSite` or `NotAllowed` unless the request may pass."""
        credentials = await super().__call__(request)
        token = await caller_of(request, credentials.credentials if credentials else None)
        needed = self._scope or (Scope.READ if request.method in READING else Scope.WRITE)
        if needed not in token.scopes:
            raise NotAllowed(f"This token may not {needed}: its scopes are {', '.join(sorted(token.scopes))}.")
        request.state.token_name = token.name
        if needed is Scope.WRITE:
            log.info("write", who=token.name, method=request.method, path=request.url.path)


BY_METHOD = Depends(Allowed())
MAY_READ = Depends(Allowed(Scope.READ))
