"""Keep freed memory from staying with the process: a service at rest should need what a service at rest needs."""

from __future__ import annotations

import ctypes
from contextlib import suppress

import pyarrow as pa

_M_ARENA_MAX = -8  # of glibc's malloc.h
ARENAS = 2


def be_modest() -> None:
    """Let all threads share a few arenas of glibc, and Arrow take its memory from there, too.

    A run has a dozen threads, and an arena for each keeps what its thread once needed. Where there is no glibc this
    changes nothing but Arrow's pool.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)
    pa.set_memory_pool(pa.system_memory_pool())
