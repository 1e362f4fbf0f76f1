"""What is wrong with an inventory is found while others are served."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb
import pytest

from app.db.engine import Database
from app.errors import BadInventory
from app.inventory.relation import InventoryFiles
from app.jobs.model import EngineName
from app.settings import Settings
from tests.support.manifests import row, run, write


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
async def test_a_fault_is_looked_for_in_a_thread(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: EngineName
) -> None:
    """It takes as long as reading all files once more."""
    explain = InventoryFiles.explain
    threads = []

    def watched(inventory: InventoryFiles, connection: duckdb.DuckDBPyConnection, error: Exception) -> BadInventory:
        threads.append(threading.current_thread())
        return explain(inventory, connection, error)

    monkeypatch.setattr(InventoryFiles, "explain", watched)
    job = await run(database, settings, write(tmp_path, [row("a"), row("b", Size="-1")]), engine=engine)
    assert job.error_message is not None
    assert "part-0.csv.gz, row 2: Size is -1" in job.error_message
    assert threads
    assert threading.current_thread() not in threads
