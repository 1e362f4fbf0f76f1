"""What a route's OpenAPI entry says of the problems it may answer with."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from app.api.problems import MEDIA_TYPE, STATUSES
from app.errors import CrossSite, DatabaseNotReady, NotAllowed, NoToken, ReconcileError

Responses = dict[int | str, dict[str, Any]]

INVALID_REQUEST = (422, "invalid-request", "The request is not valid")
UNREADABLE_BODY = (400, "bad-request", "The request cannot be read")
LARGE_BODY = (413, "body-too-large", "The body is too large")


def problems(
    *errors: type[ReconcileError], body: bool = False, parameters: bool = True, token: bool = True
) -> Responses:
    """Describe the problems of a route: those given, and those that body, parameters, token and database bring."""
    met: tuple[type[ReconcileError], ...] = (
        *errors,
        *([NoToken, NotAllowed, CrossSite] if token else []),
        DatabaseNotReady,
    )
    named = [(STATUSES[error], error.name, error.title) for error in met]
    named += [INVALID_REQUEST] if body or parameters else []
    named += [UNREADABLE_BODY, LARGE_BODY] if body else []
    by_status: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for status, name, title in named:
        by_status[status].append((name, title))
    return {
        status: {
            "description": "; ".join(f"{title}: `{name}`" for name, title in by_status[status]),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {name: {"value": _example(status, name, title)} for name, title in by_status[status]},
                }
            },
        }
        for status in sorted(by_status)
    }


def _example(status: int, name: str, title: str) -> dict[str, Any]:
    return {
        "type": f"/problems/{name}",
        "title": title,
        "status": status,
        "detail": f"{title}.",
        "requestId": "5f0c2d9a7be14c33",
    }
