"""The rules of an inventory, as DuckDB SQL: one file a query, over a relation that it calls by its role."""

from __future__ import annotations

from importlib.resources import files

import duckdb


def _text(name: str) -> str:
    return (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")


def _judged_by(name: str) -> str:
    return f"WITH judged AS NOT MATERIALIZED (\n{_text('judged')})\n{_text(name)}"


DECODED = _text("decoded")
LATEST = _judged_by("latest")
FIRST_FAULT = _judged_by("first_fault")
UNQUOTED = _text("unquoted")


def over_raw(relation: duckdb.DuckDBPyRelation, query: str) -> duckdb.DuckDBPyRelation:
    """Put a query over the raw rows; nothing runs before the result is read, and each reading runs it anew."""
    result = relation.query("raw", query)
    if result is None:
        raise TypeError("only a SELECT gives a relation")
    return result
