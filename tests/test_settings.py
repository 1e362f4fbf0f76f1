"""Settings that cannot be used are refused in a sentence that names the variable, and shows no secret."""

from __future__ import annotations

import pytest

from app.errors import Misconfigured
from app.settings import read_settings

BAD = {
    "DATABASE_URL=mysql://host/db": "DATABASE_URL has to start with postgresql://",
    "DATABASE_URL=postgresql://me:s3cr#t@host/db": "percent-encode what is special",
    "DATABASE_URL=postgresql://me:s3cr/t@host/db": "percent-encode what is special",
    "DATABASE_URL=postgresql://me:s3cr[t@host/db": "percent-encode what is special",
    "DATABASE_URL=postgresql://me@host:port/db": "percent-encode what is special",
    "API_TOKENS=oops": "RECONCILE_API_TOKENS: it has to be JSON",
    "API_TOKENS=": "RECONCILE_API_TOKENS: it has to be JSON",
    "MANIFEST_PREFIXES=s3://bucket/": "RECONCILE_MANIFEST_PREFIXES: it has to be a JSON list",
    'MANIFEST_PREFIXES=["https://host/"]': "MANIFEST_PREFIXES have to start with s3:// or file:///",
    "GRACE_HOURS=inf": "RECONCILE_GRACE_HOURS: Input should be less than",
    "RETENTION_DAYS=3000000": "RECONCILE_RETENTION_DAYS: Input should be less than",
    "RETENTION_DAYS=0": "RECONCILE_RETENTION_DAYS: Input should be greater than 0",
}
GOOD = [
    "DATABASE_URL=postgresql:///db?host=/var/run/postgresql",
    "DATABASE_URL=postgresql://me:s3cr%23t@one:5432,two:5433/db?sslmode=require",
    "DATABASE_URL=postgres://me@[::1]:5432/db",
    'MANIFEST_PREFIXES=["s3://bucket", "file:///srv/inventories/"]',
]


def set_to(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    name, _, value = setting.partition("=")
    monkeypatch.setenv(f"RECONCILE_{name}", value)


@pytest.mark.parametrize("setting", BAD)
def test_what_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    set_to(monkeypatch, setting)
    with pytest.raises(Misconfigured) as caught:
        read_settings()
    assert BAD[setting] in str(caught.value)
    assert "s3cr" not in str(caught.value)


@pytest.mark.parametrize("setting", GOOD)
def test_what_can_be_used_is_taken(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    set_to(monkeypatch, setting)
    read_settings()
