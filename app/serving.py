"""The web server of one process: it says in a sentence why it cannot listen, and ends in order when it is told to."""

from __future__ import annotations

import gc
import signal
import sys
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.listening import require_free

GRACE_S = 4  # for requests under way; the runner hands its work back after that


class _Server(uvicorn.Server):
    def __init__(self, api: FastAPI, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                api, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_S
            )
        )
        self._api = api

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.started:  # whoever follows a job would hold up the stop
            self._api.state.streams.feed.closed = True
        super().handle_exit(sig, frame)


def run(api: FastAPI, host: str, port: int) -> None:
    """Serve until a signal says to stop. Raises `Misconfigured` where there can be no listening."""
    require_free(host, port)
    # When it has stopped, uvicorn sends itself the signal again: to die of it would leave embedded PostgreSQL running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = _Server(api, host, port)
    gc.freeze()  # to look through all that was imported, for garbage, would keep everybody waiting for 0.1 s
    try:
        server.run()
    except KeyboardInterrupt:
        pass  # it was asked to stop, and has
    finally:
        gc.unfreeze()  # what is frozen is leaked to DuckDB's eyes, which says so at length when Python ends
    if not server.started:
        sys.exit(2)  # it has said why
