"""Engine `duckdb` as it is where the catalog has more files than fit in memory."""

from __future__ import annotations

import pytest

from app.compare import duckdb
from app.jobs.model import EngineChoice

IN_LITTLE_MEMORY = "duckdb in little memory"


def chosen(name: str, monkeypatch: pytest.MonkeyPatch) -> EngineChoice:
    """Give the engine of a test's parameter; with `IN_LITTLE_MEMORY` a single file is too many."""
    if name == IN_LITTLE_MEMORY:
        monkeypatch.setattr(duckdb, "FILE_BYTES", 1 << 40)
        return "duckdb"
    choice: EngineChoice = name  # type: ignore[assignment]  # parameters are plain strings
    return choice
