"""Read a manifest's `fileSchema`: which columns the data files have, and what they are called there.

S3 writes the schema of a report in the words of its format: a list for CSV, a struct for ORC, a message for
Parquet (AWS, "Amazon S3 Inventory list"). The columnar formats name in snake_case what CSV names in CamelCase.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

FileFormat = Literal["CSV", "ORC", "Parquet"]

KNOWN = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass")
REQUIRED = ("Bucket", "Key")

_BY_FOLDED_NAME = {name.lower(): name for name in KNOWN}
_PARQUET_MESSAGE = re.compile(r"\s*message\s+[\w.]+\s*\{(?P<body>.*)\}\s*", re.DOTALL)
_PARQUET_FIELD = re.compile(
    r"\s*(?:required|optional)\s+\w+(?:\(\d+\))?\s+(?P<name>\w+)\s*"  # repetition, physical type, name
    r"(?:\((?:[^()]|\([^()]*\))*\)\s*)?(?:=\s*\d+\s*)?;",  # logical type in either spelling, field id
)
_ORC_STRUCT = re.compile(r"\s*struct\s*<(?P<body>.*)>\s*", re.DOTALL)
_OPENING, _CLOSING = "<(", ">)"


def read_schema(file_format: FileFormat, file_schema: str) -> Mapping[str, str]:
    """Return the columns in their order: canonical name (that of CSV reports) to the name the files use.

    Raises `ValueError` with the end of a sentence that begins with `fileSchema`.
    """
    written = _READERS[file_format](file_schema)
    columns: dict[str, str] = {}
    for name in written:
        canonical = canonical_name(name)
        if canonical in columns:
            raise ValueError(f"names the column {canonical} twice")
        columns[canonical] = name
    for name in REQUIRED:
        if name not in columns:
            raise ValueError(f"has no column {name}, without which nothing can be compared")
    return MappingProxyType(columns)


def canonical_name(name: str) -> str:
    """Name a column as CSV reports do; a column that is not used here keeps its name."""
    return _BY_FOLDED_NAME.get(name.replace("_", "").lower(), name)


def _read_list(schema: str) -> list[str]:
    """Split the comma list of a CSV report."""
    names = [name.strip() for name in schema.split(",")]
    if not all(re.fullmatch(r"\w+", name) for name in names):
        raise ValueError("must be the comma-separated names of the columns, as CSV reports have it")
    return names


def _read_message(schema: str) -> list[str]:
    """Read the names out of a Parquet message, whose annotations have an old and a new spelling."""
    message = _PARQUET_MESSAGE.fullmatch(schema)
    if message is None:
        raise ValueError("must be a Parquet schema, `message … { … }`")
    body = message["body"].rstrip()
    names: list[str] = []
    position = 0
    while position < len(body):
        field = _PARQUET_FIELD.match(body, position)
        if field is None:
            raise ValueError(f"cannot be read as a Parquet schema from `{body[position:].strip()[:40]}` on")
        names.append(field["name"])
        position = field.end()
    return names


def _read_struct(schema: str) -> list[str]:
    """Read the names out of an ORC struct; a type may hold commas in brackets of its own."""
    struct = _ORC_STRUCT.fullmatch(schema)
    if struct is None:
        raise ValueError("must be an ORC schema, `struct<…>`")
    names: list[str] = []
    for field in _outer_parts(struct["body"]):
        name, colon, kind = (part.strip() for part in field.partition(":"))
        if not (colon and kind and re.fullmatch(r"\w+", name)):
            raise ValueError(f"cannot be read as an ORC schema at `{field.strip()[:40]}`")
        names.append(name)
    return names


def _outer_parts(body: str) -> list[str]:
    """Split at the commas that stand in no bracket."""
    parts = [""]
    depth = 0
    for character in body:
        depth += (character in _OPENING) - (character in _CLOSING)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


_READERS = {"CSV": _read_list, "ORC": _read_struct, "Parquet": _read_message}
