"""A finding as its two sides: what the catalog says, what S3 says, and whether that is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.dashboard.words import NOT_CARRIED, KindWords, carried, moment, number, size


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that both sides may say; None where a side does not have the file. `differs` by the report's word."""

    label: str
    catalog: str | None
    s3: str | None
    differs: bool


def sides_of(finding: dict[str, Any], words: KindWords, compared_fields: list[str] | None) -> list[Line]:
    """Put the two sides of a finding next to each other; what the inventory does not carry, S3 does not say."""
    differing = finding.get("discrepancyType", "").split(", ")
    made: list[tuple[str, str, str, str | None, Callable[[Any], str]]] = [
        ("ETag", "orcaEtag", "s3Etag", "etag", str),
        ("Size", "orcaSizeInBytes", "s3SizeInBytes", "size_in_bytes", _bytes),
        ("Storage class", "orcaStorageClass", "s3StorageClass", "storage_class", str),
        ("Last change", "orcaGranuleLastUpdate", "s3FileLastUpdate", None, moment),
    ]

    def say(name: str, write: Callable[[Any], str]) -> str | None:
        return write(finding[name]) if name in words.kind.columns else None

    def say_s3(name: str, field: str | None, write: Callable[[Any], str]) -> str | None:
        said = say(name, write)
        return said if said is None or field is None or carried(field, compared_fields) else NOT_CARRIED

    return [
        Line(label, say(catalog, write), say_s3(s3, field, write), field in differing)
        for label, catalog, s3, field, write in made
    ]


def _bytes(value: int) -> str:
    return f"{number(value)} bytes" if value < 1000 else f"{number(value)} bytes ({size(value)})"  # noqa: PLR2004
