from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from app.db.engine import Database
from tests.reports.published import CREATED, Row, add_job, add_rows, publish
from tests.support.service import serving


@dataclass(frozen=True)
class Place:
    """Where a command finds the service: by its environment, or at a URL."""

    arguments: tuple[str, ...]
    environment: dict[str, str]


@pytest_asyncio.fixture(loop_scope="session")
async def jobs(database: Database) -> AsyncIterator[list[int]]:
    """Publish two jobs, one a day: of each kind `a` is in both, `gone` in the first, `=new` in the second."""
    ids = []
    for day, keys in enumerate((["a", "gone"], ["a", "=new"])):
        ids.append(await add_job(database, created=CREATED + timedelta(days=day)))
        for kind in ("phantoms", "orphans", "mismatches"):
            await add_rows(database, ids[-1], kind, [Row(key) for key in keys])
        await publish(database, ids[-1])
    yield ids


@pytest.fixture(params=["local", "remote"])
def place(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[Place]:
    """Give the same database twice: asked itself, and through a service that runs on it."""
    environment = {
        "RECONCILE_DATABASE_URL": database.url,
        "RECONCILE_DATA_DIR": str(tmp_path / "data"),
        "RECONCILE_RETENTION_DAYS": "100000",  # these jobs are of 2024
    }
    if request.param == "local":
        yield Place((), environment)
        return
    with serving(tmp_path / "log", **environment) as (client, _):
        yield Place(("--url", str(client.base_url)), {})
