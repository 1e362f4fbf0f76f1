"""What a run's failure is called, in a sentence for the job's `errorMessage`."""

from __future__ import annotations

import duckdb

from app.db.retry import DISK_FULL, may_pass, sqlstate
from app.errors import ReconcileError

NO_ROOM = (  # DuckDB says so too when the disk has no room for what it would spill
    "There was not enough memory, nor room on the disk to do with less: "
    "raise RECONCILE_MEMORY_LIMIT, or make room in RECONCILE_SPOOL_DIR."
)


def reason(error: BaseException) -> str:
    """Word an error for a person; never a trace, never SQL."""
    if isinstance(error, ReconcileError):
        return str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return NO_ROOM
    return _of_the_database(error) or _of_the_machine(error)


def _of_the_database(error: BaseException) -> str | None:
    state = sqlstate(error)
    if state == DISK_FULL:
        return "The database's disk is full: make room, then reconcile the job again."
    if may_pass(error):
        return f"The database did not stay reachable{f' (SQLSTATE {state})' if state else ''}."
    if state is not None:
        return f"The database refused the work (SQLSTATE {state}); the service's log says more."
    return None


def _of_the_machine(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"The machine that did the work could not go on: {error.strerror}."
    return f"The service met a fault of its own ({type(error).__name__}); its log says more."
