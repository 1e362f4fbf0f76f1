"""A port that is to be listened on."""

from __future__ import annotations

import os
import socket

from app.errors import Misconfigured


def require_free(host: str, port: int) -> None:
    """See that it can be listened on. Raises `Misconfigured`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise Misconfigured(f"Port {port} of {host} cannot be listened on: {why}.") from error
