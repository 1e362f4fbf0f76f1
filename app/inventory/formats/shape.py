"""Bring a columnar file's own columns into the raw shape, whatever their drift, or say why they cannot be."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
from duckdb import ColumnExpression, ConstantExpression, Expression, FunctionExpression

from app.errors import BadInventory
from app.inventory.formats.reader import RAW

_TEXT, _TRUTH, _NUMBER, _TIME = "text", "true or false", "a whole number", "a time"

_EXPECTED = {
    "Bucket": _TEXT,
    "Key": _TEXT,
    "IsLatest": _TRUTH,
    "IsDeleteMarker": _TRUTH,
    "Size": _NUMBER,
    "LastModifiedDate": _TIME,
    "ETag": _TEXT,
    "StorageClass": _TEXT,
}

_TYPES = {_TEXT: "VARCHAR", _TRUTH: "BOOLEAN", _NUMBER: "BIGINT", _TIME: "TIMESTAMP WITH TIME ZONE"}

# A manifest without IsLatest lists current versions only, and without IsDeleteMarker none that is deleted.
WHEN_NOT_CARRIED: dict[str, bool] = {"IsLatest": True, "IsDeleteMarker": False}

_NOTHING = "NULL"
_ACCEPTED = {
    _TEXT: {"VARCHAR", "BLOB"},
    _TRUTH: {"BOOLEAN"},
    _NUMBER: {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG")} | {"INTEGER", "UINTEGER"},
    _TIME: {
        *(f"TIMESTAMP{precision}" for precision in ("", "_S", "_MS", "_NS")),
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMPTZ_NS",
    },
}


def shaped(
    relation: duckdb.DuckDBPyRelation, columns: Mapping[str, str], name: str, *, keep: tuple[str, ...] = ()
) -> duckdb.DuckDBPyRelation:
    """Project a file's columns to the raw ones, and keep those of `keep` beside them.

    `columns` maps canonical names to those in the file, as the manifest promises them; what the file has beyond
    them is left alone. Raises `BadInventory` when one is missing or of a type that cannot mean what it should.
    """
    types = dict(zip((column.lower() for column in relation.columns), map(str, relation.types), strict=True))
    raw = [
        _raw_column(canonical, columns.get(canonical), types, name).alias(field.name)
        for canonical, field in RAW.items()
    ]
    return relation.select(*raw, *(ColumnExpression(column) for column in keep))


def _raw_column(canonical: str, written: str | None, types: Mapping[str, str], name: str) -> Expression:
    kind = _EXPECTED[canonical]
    if written is None:
        return ConstantExpression(WHEN_NOT_CARRIED.get(canonical)).cast(_TYPES[kind])
    found = types.get(written.lower())
    if found is None:
        raise BadInventory(f"{name} has no column {written}, which the manifest's fileSchema promises.")
    if found.strip('"') == _NOTHING:
        return ColumnExpression(written).cast(_TYPES[kind])
    if found not in _ACCEPTED[kind]:
        raise BadInventory(f"{name}: column {written} holds {found}, and must hold {kind}.")
    return _converted(ColumnExpression(written), found).cast(_TYPES[kind])


def _converted(column: Expression, found: str) -> Expression:
    if found == "BLOB":
        return FunctionExpression("decode", column)  # text without Parquet's STRING annotation
    if found.startswith("TIMESTAMP") and found not in {"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"}:
        # A time without a zone is UTC, whatever the session's zone: a plain cast would take it for local time.
        return FunctionExpression("make_timestamptz", FunctionExpression("epoch_us", column))
    return column
