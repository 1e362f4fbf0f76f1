"""The manifest of an S3 Inventory report: what it lists, and which columns the listed files have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from app.errors import BadManifest
from app.inventory.columns import FileFormat, read_schema

COMPARABLE = ("etag", "size_in_bytes", "storage_class")

_COLUMN_OF = {"etag": "ETag", "size_in_bytes": "Size", "storage_class": "StorageClass"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_INSTANT = datetime(9999, 12, 31, tzinfo=UTC)
_BUCKET_ARN = re.compile(r"arn:aws[a-z-]*:s3:::(?P<bucket>.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_FORMATS: dict[str, FileFormat] = {"csv": "CSV", "orc": "ORC", "parquet": "Parquet"}
_EXTENSIONS: dict[str, FileFormat] = {".csv": "CSV", ".csv.gz": "CSV", ".orc": "ORC", ".parquet": "Parquet"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST_BYTES = 2**63 - 1  # what the database can hold


def _bare_bucket(value: object) -> object:
    """Take the bucket out of an ARN of any partition (`aws`, `aws-us-gov`, `aws-cn`)."""
    if not isinstance(value, str):
        return value
    arn = _BUCKET_ARN.fullmatch(value)
    bucket = arn["bucket"] if arn else value
    if not _BUCKET.fullmatch(bucket):
        raise ValueError("must be the name or ARN of a bucket")
    return bucket


def _instant(value: object) -> object:
    """Read milliseconds since the epoch, which S3 writes as a string."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch(r"[0-9]{1,15}", str(value)):
        raise ValueError("must be the milliseconds since the epoch, as a string of digits")
    if int(value) > (_LAST_INSTANT - _EPOCH) / timedelta(milliseconds=1):
        raise ValueError("lies beyond the year 9999; it is given in milliseconds")
    return _EPOCH + timedelta(milliseconds=int(value))


def _milliseconds(value: datetime) -> str:
    """Write an instant as S3 does, so that a manifest that was written out can be read back."""
    return str((value - _EPOCH) // timedelta(milliseconds=1))


def _known_format(value: object) -> object:
    if isinstance(value, str):
        return _FORMATS.get(value.lower(), value)
    return value


Bucket = Annotated[str, BeforeValidator(_bare_bucket)]
Instant = Annotated[datetime, BeforeValidator(_instant), PlainSerializer(_milliseconds)]


class _Part(BaseModel):
    """What all parts of a manifest share: they do not change, and take no value of another type for their own."""

    model_config = ConfigDict(frozen=True, strict=True, validate_by_alias=True, validate_by_name=True)


class DataFile(_Part):
    """One data file: its key in the destination bucket, its size in bytes, and its MD5 in lower-case hex."""

    key: str
    size: int = Field(ge=0)
    md5: str = Field(alias="MD5checksum")

    @field_validator("key")
    @classmethod
    def _names_a_file(cls, key: str) -> str:
        if not key or key.endswith("/") or _CONTROL.search(key):
            raise ValueError("must be the key of a file, without control characters")
        return key

    @field_validator("md5")
    @classmethod
    def _is_hex(cls, md5: str) -> str:
        if not re.fullmatch(r"[0-9a-fA-F]{32}", md5):
            raise ValueError("must be an MD5 of 32 hexadecimal digits")
        return md5.lower()


class Manifest(_Part):
    """A whole manifest. Buckets are bare names, times aware UTC, and `files` may be empty (an empty bucket)."""

    source_bucket: Bucket = Field(alias="sourceBucket")
    destination_bucket: Bucket = Field(alias="destinationBucket")
    creation_time: Instant = Field(alias="creationTimestamp")
    file_format: Annotated[FileFormat, BeforeValidator(_known_format)] = Field(alias="fileFormat")
    file_schema: str = Field(alias="fileSchema")
    files: Annotated[tuple[DataFile, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _holds_together(self) -> Manifest:
        try:
            read_schema(self.file_format, self.file_schema)
        except ValueError as error:
            raise ValueError(f"fileSchema {error}") from error
        seen: set[str] = set()
        for position, file in enumerate(self.files):
            if file.key in seen:
                raise ValueError(f"files[{position}].key lists {file.key} a second time")
            seen.add(file.key)
            other = extension_format(file.key)
            if other not in {None, self.file_format}:
                raise ValueError(f"files[{position}].key is {file.key}, but fileFormat is {self.file_format}")
        if self.size_in_bytes > _MOST_BYTES:
            raise ValueError(f"files have {self.size_in_bytes} bytes together, which cannot be")
        return self

    @cached_property
    def written_columns(self) -> Mapping[str, str]:
        """Map each column's canonical name to the name that the data files use, in the order of the schema."""
        return read_schema(self.file_format, self.file_schema)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns in their order, named as in CSV reports; unknown ones are kept as they are."""
        return tuple(self.written_columns)

    @property
    def compared_fields(self) -> tuple[str, ...]:
        """Those of `COMPARABLE` that the inventory carries: nothing else may become a mismatch."""
        return tuple(field for field in COMPARABLE if _COLUMN_OF[field] in self.written_columns)

    @property
    def size_in_bytes(self) -> int:
        """The size of all data files together."""
        return sum(file.size for file in self.files)


def parse_manifest(raw: bytes, name: str) -> Manifest:
    """Read a manifest from the bytes of `manifest.json`; `name` is what messages call it.

    Raises `BadManifest` with one sentence that names the field and what is wrong with it.
    """
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadManifest(f"{name} is not a valid manifest: it is not JSON ({error}).") from error
    if not isinstance(parsed, dict):
        raise BadManifest(f"{name} is not a valid manifest: it must be a JSON object.")
    try:
        return Manifest.model_validate(parsed)
    except ValidationError as error:
        raise BadManifest(f"{name} is not a valid manifest: {_sentence(error.errors()[0])}.") from error


def extension_format(key: str) -> FileFormat | None:
    """Say which format a file's extension promises, or `None` when it promises none that we know."""
    lowered = key.lower()
    return next((promised for ending, promised in _EXTENSIONS.items() if lowered.endswith(ending)), None)


_WHAT_IS_WRONG = {
    "missing": "is missing",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "greater_than_equal": "must not be negative",
    "literal_error": "must be CSV, ORC or Parquet",
    "tuple_type": "must be a list",
    "model_type": "must be an object",
}


def _sentence(error: ErrorDetails) -> str:
    """Say what is wrong in the manifest's own words: the field as JSON names it, then the fault."""
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).removeprefix(".")
    cause = error.get("ctx", {}).get("error")
    what = str(cause) if cause is not None else _WHAT_IS_WRONG.get(error["type"], "cannot be read")
    return f"{field} {what}".strip()
