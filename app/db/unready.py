"""A database that answers and yet cannot be used: what an operator has to do about it."""

from __future__ import annotations

from app.db.retry import sqlstate
from app.errors import DatabaseNotReady

NOT_MIGRATED = "The database is not migrated for this version: run orca-reconcile migrate."
_BY_STATE = {
    "28": "The database refuses the login that RECONCILE_DATABASE_URL names: see to its user and password.",
    "3D": "The database that RECONCILE_DATABASE_URL names does not exist: create it, or see to the name.",
    "3F": NOT_MIGRATED,
    "42P01": NOT_MIGRATED,
}


def unready(error: BaseException) -> DatabaseNotReady | None:
    """Say what keeps the database from being used, where an error tells that."""
    state = sqlstate(error) or ""
    return next((DatabaseNotReady(text) for beginning, text in _BY_STATE.items() if state.startswith(beginning)), None)
