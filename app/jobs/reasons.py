"""What a run's failure is called, in a sentence for the job's `errorMessage`."""

from __future__ import annotations

import duckdb

from app.db.retry import DISK_FULL, may_pass, sqlstate
from app.db.unready import unready
from app.errors import ReconcileError

NO_ROOM = (  # DuckDB says so too when the disk has no room for what it would spill
    "There was not enough memory, nor room on the disk to do with less: "
    "raise RECONCILE_MEMORY_LIMIT, or make room in RECONCILE_SPOOL_DIR."
)


def reason(error: BaseException) -> str:
    """Word an error for a person; never a trace, never SQL."""
    return _explanation(error) or _reference_to_log(error)


def unexplained(error: BaseException) -> BaseException | None:
    """Give the error, for a log's `exc_info`, if its reason says that the log says more."""
    return None if _explanation(error) else error


def _explanation(error: BaseException) -> str | None:
    """Say what can happen to a sound service; None: this cannot."""
    error = unready(error) or error
    if isinstance(error, ReconcileError):
        return str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return NO_ROOM
    state = sqlstate(error)
    if state == DISK_FULL:
        return "The database's disk is full: make room, then reconcile the job again."
    if may_pass(error):
        return f"The database did not stay reachable{f' (SQLSTATE {state})' if state else ''}."
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"The machine that did the work could not go on: {error.strerror}{where}."
    return None


def _reference_to_log(error: BaseException) -> str:
    state = sqlstate(error)
    if state is not None:
        return f"The database refused the work (SQLSTATE {state}); the service's log says more."
    return f"The service met a fault of its own ({type(error).__name__}); its log says more."
