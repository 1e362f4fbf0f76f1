"""Plans of PostgreSQL, as EXPLAIN (FORMAT JSON) gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Plan: TypeAlias = Mapping[str, Any]
"""A node with all that is below it, which is in "Plans"."""


def nodes(plan: Plan) -> Iterator[Plan]:
    """Give a plan's nodes, each before those below it."""
    yield plan
    for node in plan.get("Plans", ()):
        yield from nodes(node)
