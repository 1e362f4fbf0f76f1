"""A browser's session: a signed cookie that any replica can check, and that ends by itself."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import jwt

from app.errors import NoToken
from app.settings import ApiToken, Settings

COOKIE = "orca_reconcile_session"
ALGORITHM = "HS256"


def seal(settings: Settings, token: ApiToken) -> str:
    """Make the value of the cookie for the holder of a token."""
    ends = datetime.now(UTC) + timedelta(hours=settings.session_hours)
    return jwt.encode({"exp": ends}, _key(settings, token), ALGORITHM, {"kid": token.name})


def unseal(settings: Settings, value: str) -> ApiToken:
    """Find whose session this is. Raises `NoToken` for one that is forged or over, or whose token is gone."""
    try:
        name = jwt.get_unverified_header(value).get("kid")
    except jwt.PyJWTError:
        name = None
    # The name only says which keys to try: whoever holds one token can sign for that one alone.
    for token in settings.api_tokens:
        if token.name == name and _verifies(value, _key(settings, token)):
            return token
    raise NoToken("Your session is over: sign in again.")


def _verifies(value: str, key: bytes) -> bool:
    try:
        jwt.decode(value, key, [ALGORITHM], options={"require": ["exp"]})
    except jwt.PyJWTError:
        return False
    return True


def _key(settings: Settings, token: ApiToken) -> bytes:
    """Derive the key, from what the settings of all replicas know; it is gone when the token is taken out of them."""
    secret = "" if settings.session_secret is None else settings.session_secret.get_secret_value()
    return hmac.digest(f"orca-reconcile session {secret}".encode(), bytes.fromhex(token.sha256), hashlib.sha256)
