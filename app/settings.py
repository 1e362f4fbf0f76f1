"""The one frozen set of settings, read from environment variables with the prefix `RECONCILE_`."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ByteSize,
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from app.errors import Misconfigured

_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d+)?")
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
"""What only this machine reaches."""


class Scope(StrEnum):
    """What the holder of a token may do."""

    READ = "read"
    WRITE = "write"


class ApiToken(BaseModel, frozen=True):
    """One bearer token: who holds it, the SHA-256 of its text in hexadecimal digits, and what it may do."""

    name: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: frozenset[Scope]


class Settings(BaseSettings):
    """What an operator may choose; every field is `RECONCILE_<NAME>`, and S3 uses the usual `AWS_*` variables."""

    model_config = SettingsConfigDict(env_prefix="RECONCILE_", frozen=True, extra="ignore")

    database_url: SecretStr | None = Field(
        default=None, description="postgresql://… of the catalog's database; unset: an embedded PostgreSQL in DATA_DIR"
    )
    data_dir: Path = Field(default=Path(".reconcile"), description="where the embedded PostgreSQL and the spool live")
    spool_dir: Path | None = Field(default=None, description="where fetched files and spills go; unset: DATA_DIR/spool")
    manifest_prefixes: tuple[str, ...] | None = Field(
        default=None, description="JSON list of the s3://…/ and file:///…/ prefixes that may be read; unset: DATA_DIR"
    )
    api_tokens: tuple[ApiToken, ...] = Field(
        default=(),
        description='JSON list of {"name", "sha256", "scopes"}; empty: no token is asked for, on loopback only',
    )
    oidc_issuer: str | None = Field(
        default=None, description="https://… of the OpenID Connect issuer whose access tokens are taken; unset: none"
    )
    oidc_audience: str | None = Field(default=None, description="the audience that those tokens have to name")
    oidc_scope_claim: str = Field(default="scope", description="their claim that lists scopes, as text or as a list")
    oidc_read_scope: str = Field(default="orca-reconcile:read", description="the scope that lets its holder read")
    oidc_write_scope: str = Field(default="orca-reconcile:write", description="the scope that lets its holder write")
    session_hours: float = Field(default=12, gt=0, le=24 * 365, description="how long a browser stays signed in")
    session_secret: SecretStr | None = Field(
        default=None, description="goes into the sessions' keys; set it where others can read the entries of API_TOKENS"
    )
    max_requests: PositiveInt = Field(default=500, description="how many requests a process answers at once")
    max_exports: PositiveInt = Field(default=4, description="how many of them may be exports; each takes a connection")
    request_seconds: float = Field(default=30, gt=0, description="how long a request may take until its answer begins")
    stream_seconds: float = Field(default=3600, gt=0, description="how long an export or a stream of events may take")
    grace_hours: float = Field(
        default=0, ge=0, le=24 * 365 * 100, description="findings this close to the inventory's time are pending"
    )
    shrunk_fraction: float = Field(
        default=0.2, ge=0, le=1, description="warn when an inventory has that fraction fewer objects than the last"
    )
    phantom_fraction: float = Field(
        default=0.05, ge=0, le=1, description="warn when more than that fraction of the catalog are phantoms"
    )
    refuse_suspicious: bool = Field(
        default=False, description="end such jobs, and those of empty inventories, in error unless they are forced"
    )
    retention_days: PositiveInt = Field(default=30, le=10**6, description="how long jobs and their reports are kept")
    memory_limit: ByteSize = Field(default=ByteSize(10**9), ge=10**8, description="what the duckdb engine may use")
    workers: PositiveInt = Field(default=1, description="how many runs one process works on at a time")
    spark_remote: str | None = Field(
        default=None, description="sc://… of a Spark Connect server; unset: no spark engine"
    )
    spark_threshold_bytes: ByteSize = Field(
        default=ByteSize(50 * 10**9), description="inventories larger than this go to spark where it is configured"
    )

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("DATABASE_URL has to start with postgresql://")
        # Whoever fails to read it later says which part of it, which may be one of the password.
        with suppress(ValueError):
            hosts = urlsplit(url.get_secret_value()).netloc.rpartition("@")[2]
            if all(_HOST.fullmatch(host) for host in hosts.split(",")):
                return url
        raise ValueError("DATABASE_URL cannot be read: percent-encode what is special in its user and password")

    @field_validator("manifest_prefixes")
    @classmethod
    def _are_prefixes(cls, urls: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if not all(url.startswith(("s3://", "file:///")) for url in urls or ()):
            raise ValueError("MANIFEST_PREFIXES have to start with s3:// or file:///")
        return urls

    @model_validator(mode="after")
    def _names_an_issuer_to_trust(self) -> Self:
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ValueError("OIDC_ISSUER and OIDC_AUDIENCE have to be set together")
        if self.oidc_issuer is not None:
            url = urlsplit(self.oidc_issuer)
            if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK):
                raise ValueError("OIDC_ISSUER has to start with https://")
        return self

    @property
    def guarded(self) -> bool:
        """Whether callers have to say who they are."""
        return bool(self.api_tokens or self.oidc_issuer)

    @property
    def connections(self) -> int:
        """How many connections the pool of a process has: three a worker, one an export, and some for requests."""
        return 3 * self.workers + self.max_exports + 3

    @property
    def spool(self) -> Path:
        """The folder for fetched data files and for what the duckdb engine spills."""
        return (self.spool_dir or self.data_dir / "spool").absolute()

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The URL prefixes under which manifests and data files may be read."""
        if self.manifest_prefixes is None:
            return (Path(os.path.abspath(self.data_dir)).as_uri() + "/",)  # noqa: PTH100  (goes up by .., and keeps links)
        return self.manifest_prefixes

    @property
    def grace(self) -> timedelta:
        """How long before the inventory's creation a change may still have been in flight."""
        return timedelta(hours=self.grace_hours)


def read_settings() -> Settings:
    """Read the settings. Raises `Misconfigured`, naming each variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(
            ": ".join([*(f"RECONCILE_{str(place).upper()}" for place in one["loc"][:1]), _what(one)])
            for one in error.errors()
        )
        raise Misconfigured(faults) from error
    except SettingsError as error:
        name = next(iter(re.findall(r'"(\w+)"', str(error))), "")
        raise Misconfigured(f"RECONCILE_{name.upper()}: it has to be JSON") from error


def _what(error: ErrorDetails) -> str:
    if error["type"] == "tuple_type":
        return "it has to be a JSON list"
    return str(error.get("ctx", {}).get("error", error["msg"]))
