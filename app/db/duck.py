"""DuckDB in this process: bounded in memory, spilling to a folder, and never fetching an extension."""

from __future__ import annotations

from pathlib import Path

import duckdb


def open_duckdb(
    memory_limit: int, *, threads: int | None = None, spill: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database that uses at most `memory_limit` bytes, and the folder `spill` beyond that.

    Without `spill` it fails rather than write anywhere. Extensions that are not in the wheel are never downloaded.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_limit // 1024} KiB",
        "temp_directory": str(spill) if spill else "",
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if threads is not None:
        config["threads"] = threads
    return duckdb.connect(config=config)
