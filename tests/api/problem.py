"""Holds an answer to what every problem has to be."""

from __future__ import annotations

from typing import Any

import httpx


def problem_of(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """Check that an answer is a whole problem of that status and name, and give it."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    problem: dict[str, Any] = response.json()
    assert set(problem) - {"errors"} == {"type", "title", "status", "detail", "requestId"}
    assert (problem["type"], problem["status"]) == (f"/problems/{name}", status)
    assert problem["requestId"] == response.headers["x-request-id"]
    assert problem["title"]
    assert problem["detail"].endswith(".")
    for leak in ("SELECT", "Traceback", "asyncpg", "sqlalchemy", "orca.reconcile"):
        assert leak not in response.text
    return problem
