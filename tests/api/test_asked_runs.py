"""What a body asks for is in the run that it queues, with who asked and by which request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from app.db.engine import Database

NEWEST = """
    SELECT engine, reconcile, force, requested_by, request_id FROM orca.reconcile_run ORDER BY id DESC LIMIT 1
"""


async def test_what_a_body_asks_for_is_in_the_run(
    client: httpx.AsyncClient, database: Database, manifest: Path
) -> None:
    submitted = {"manifestUrl": manifest.as_uri()}
    again = {**submitted, "rerun": True}
    asked: list[tuple[str, dict[str, Any], tuple[str, bool, bool]]] = [
        ("/jobs", submitted, ("duckdb", True, False)),
        ("/jobs", {**again, "reconcile": False}, ("postgres", False, False)),
        ("/jobs", {**again, "engine": "postgres"}, ("postgres", True, False)),
        ("/jobs", {**again, "force": True}, ("duckdb", True, True)),
        ("/jobs/1/reconcile", {}, ("duckdb", True, False)),
        ("/jobs/1/reconcile", {"engine": "postgres"}, ("postgres", True, False)),
        ("/jobs/1/reconcile", {"force": True}, ("duckdb", True, True)),
    ]
    for number, (path, body, run) in enumerate(asked):
        response = await client.post(path, json=body, headers={"X-Request-ID": f"request-{number}"})
        assert (response.status_code, response.json()["id"]) == (202, 1)
        async with database.reading() as connection:
            (found,) = await connection.execute(text(NEWEST))
        assert tuple(found) == (*run, "anybody", f"request-{number}")
        await client.post("/jobs/1/cancel")
