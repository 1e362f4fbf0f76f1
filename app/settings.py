"""The one frozen set of settings, read from environment variables with the prefix `RECONCILE_`."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ByteSize, Field, PositiveInt, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    session_hours: float = Field(default=12, gt=0, le=24 * 365, description="how long a browser stays signed in")
    session_secret: SecretStr | None = Field(
        default=None, description="goes into the sessions' keys; set it where others can read the entries of API_TOKENS"
    )
    grace_hours: float = Field(default=0, ge=0, description="findings this close to the inventory's time are pending")
    shrunk_fraction: float = Field(
        default=0.2, ge=0, le=1, description="warn when an inventory has that fraction fewer objects than the last"
    )
    phantom_fraction: float = Field(
        default=0.05, ge=0, le=1, description="warn when more than that fraction of the catalog are phantoms"
    )
    refuse_suspicious: bool = Field(
        default=False, description="end such jobs, and those of empty inventories, in error unless they are forced"
    )
    retention_days: PositiveInt = Field(default=30, description="how long jobs and their reports are kept")
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
        if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("DATABASE_URL has to start with postgresql://")
        return url

    @property
    def guarded(self) -> bool:
        """Whether callers have to say who they are."""
        return bool(self.api_tokens)

    @property
    def spool(self) -> Path:
        """The folder for fetched data files and for what the duckdb engine spills."""
        return (self.spool_dir or self.data_dir / "spool").absolute()

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The URL prefixes under which manifests and data files may be read."""
        if self.manifest_prefixes is None:
            return (self.data_dir.absolute().as_uri() + "/",)
        return self.manifest_prefixes

    @property
    def grace(self) -> timedelta:
        """How long before the inventory's creation a change may still have been in flight."""
        return timedelta(hours=self.grace_hours)
