"""Nobody goes on looking for what is wrong with an inventory once its run is stopped."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from app.db.engine import Database
from app.db.stream import Stream
from app.errors import BadInventory
from app.inventory.formats.csvgz import CsvReader
from app.inventory.formats.reader import NUMBERING, RAW, DataPath
from app.inventory.relation import InventoryFiles
from app.jobs.model import EngineName
from app.jobs.requests import submit
from app.jobs.runner import Runner
from app.settings import Settings
from tests.support.manifests import look, row, write

SCHEMA = pa.schema([*RAW.values(), *NUMBERING])
SOUND = {"bucket": "orca-archive", "key": "a", "is_latest": False, "is_delete_marker": False, "row_number": 1}


class LongFile:
    """A data file over which the second pass takes a minute."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Event()
        self.threads: list[threading.Thread] = []
        self.let_go: list[threading.Thread] = []
        self.read_whole = False
        self._batch = pa.RecordBatch.from_pylist([SOUND], schema=SCHEMA)
        for rows in ("exact_rows", "numbered_rows"):
            monkeypatch.setattr(CsvReader, rows, self._rows)
        for second_pass in ("explain", "explain_duplicate"):
            self._watch(monkeypatch, second_pass)

    def _rows(
        self, connection: duckdb.DuckDBPyConnection, _file: DataPath, _columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        return connection.from_arrow(Stream(SCHEMA, self._batches))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for _ in range(6_000):
            yield self._batch
            self.begun.set()
            time.sleep(0.01)
        self.read_whole = True

    def _watch(self, monkeypatch: pytest.MonkeyPatch, second_pass: str) -> None:
        whole = getattr(InventoryFiles, second_pass)

        def watched(inventory: InventoryFiles, *arguments: object) -> BadInventory:
            self.threads.append(threading.current_thread())
            try:
                said: BadInventory = whole(inventory, *arguments)
                return said
            finally:
                self.let_go.append(threading.current_thread())

        monkeypatch.setattr(InventoryFiles, second_pass, watched)


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
@pytest.mark.parametrize("rows", [[row("a"), row("b", Size="-1")], [row("a"), row("a")]], ids=["fault", "twice"])
async def test_the_second_pass_has_ended_when_the_runner_has(
    database: Database,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: EngineName,
    rows: list[list[str]],
) -> None:
    file = LongFile(monkeypatch)
    job, _ = await submit(database, settings, manifest_url=write(tmp_path, rows), engine=engine)
    async with Runner(database, settings):
        async with asyncio.timeout(30):
            while not file.begun.is_set():
                await asyncio.sleep(0.01)
    assert file.threads
    assert file.let_go == file.threads
    assert not file.read_whole
    assert (await look(database, job)).error_message is None  # another runner takes it up
