"""Access tokens of an OpenID Connect issuer, checked with the keys that it publishes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import structlog

from app.errors import IssuerUnavailable, NoToken
from app.settings import Scope, Settings

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Those whose keys can only check: with a shared secret, whoever could check a token could make one."""

LEEWAY_S = 30
FETCH_TIMEOUT_S = 5
PAUSE_S = 10.0
"""How long the keys are not asked for again, whatever tokens come, nor after the issuer did not answer."""
KEEP_S = 3600.0
"""How old keys may be before they are asked for again: a key that the issuer has withdrawn opens nothing for longer."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AccessToken:
    """Who holds a valid access token, what it may do, and when it ends, in seconds since the epoch."""

    name: str
    scopes: frozenset[Scope]
    ends: int


class Issuer:
    """The issuer that the settings name, and its keys by their ids, which are fetched when a token needs them."""

    def __init__(self, settings: Settings) -> None:
        self._url = str(settings.oidc_issuer)
        self._audience = str(settings.oidc_audience)
        self._claim = settings.oidc_scope_claim
        self._scopes = {settings.oidc_read_scope: Scope.READ, settings.oidc_write_scope: Scope.WRITE}
        self._keys: dict[str | None, dict[str, Any]] = {}
        self._fetched = float("-inf")
        self._asked = float("-inf")
        self._fetching = asyncio.Lock()

    async def access_token(self, text: str) -> AccessToken:
        """Check a token. Raises `NoToken`, or `IssuerUnavailable` where the keys to check it with cannot be had."""
        try:
            header = jwt.get_unverified_header(text)
            if header.get("alg") not in ALGORITHMS:
                raise NoToken(f"This access token is not signed by any of {', '.join(ALGORITHMS)}.")
            key = await self._key(header.get("kid"), header["alg"])
            claims = jwt.decode(
                text,
                key,
                ALGORITHMS,
                audience=self._audience,
                issuer=self._url,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise NoToken(f"Send a valid access token of {self._url}: this one was refused ({error}).") from None
        return AccessToken(_name(claims), self._granted(claims), int(claims["exp"]))

    def _granted(self, claims: dict[str, Any]) -> frozenset[Scope]:
        given = claims.get(self._claim, ())
        values = given.split() if isinstance(given, str) else given if isinstance(given, list) else ()
        return frozenset(self._scopes[value] for value in values if isinstance(value, str) and value in self._scopes)

    async def _key(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        if kid not in self._keys or time.monotonic() - self._fetched > KEEP_S:
            await self._fetch_in_turn(kid)
        if kid not in self._keys:
            if self._fetched < self._asked:
                raise IssuerUnavailable(
                    f"Access tokens cannot be checked, because {self._url} does not answer. Try again in a few seconds."
                )
            raise NoToken(f"This access token is signed with a key that {self._url} does not publish.")
        jwk = self._keys[kid]
        return jwt.PyJWK(jwk, jwk.get("alg") or algorithm)

    async def _fetch_in_turn(self, kid: str | None) -> None:
        """Fetch the keys unless that was tried just now; one request does so, and the others wait for it."""
        came = time.monotonic()
        async with self._fetching:
            fetched_meanwhile = kid in self._keys and self._fetched > came
            if fetched_meanwhile or time.monotonic() - self._asked < PAUSE_S:
                return
            try:
                self._keys = await self._fetch()
                self._asked = self._fetched = time.monotonic()
            except (
                httpx.HTTPError,
                httpx.InvalidURL,
                TimeoutError,
                ValueError,
                KeyError,
                TypeError,
                AttributeError,
            ) as error:
                # Keys that are known go on to serve while the issuer is away.
                self._asked = time.monotonic()
                log.warning("the issuer's keys cannot be fetched", issuer=self._url, reason=repr(error))

    async def _fetch(self) -> dict[str | None, dict[str, Any]]:
        async with asyncio.timeout(FETCH_TIMEOUT_S * 2), httpx.AsyncClient(timeout=FETCH_TIMEOUT_S) as client:
            about = (await client.get(self._url.rstrip("/") + "/.well-known/openid-configuration")).raise_for_status()
            document = about.json()
            if document["issuer"] != self._url:
                raise ValueError(f"The document there is that of {document['issuer']}")
            where = str(document["jwks_uri"])
            if self._url.startswith("https:") and not where.startswith("https:"):
                raise ValueError(f"The keys at {where} could be anybody's: it is not https")
            found = (await client.get(where)).raise_for_status().json()
        return {one.get("kid"): one for one in found["keys"] if one.get("use", "sig") == "sig"}


def _name(claims: dict[str, Any]) -> str:
    """Say who it is, in text that logs and the database can take."""
    name = str(claims.get("sub") or claims.get("client_id") or claims.get("azp") or "unnamed")
    return name.encode("utf-8", "replace").decode().replace("\0", "")[:200]
