"""A database that answers and yet cannot be used: what an operator has to do about it."""

from __future__ import annotations

from sqlalchemy import text

from app.db.engine import Database
from app.db.retry import LIMITS, NO_CONNECTION_LEFT, sqlstate
from app.errors import DatabaseNotReady

NOT_MIGRATED = "The database is not migrated for this version: run orca-reconcile migrate."
READ_ONLY = (
    "The database can only be read: RECONCILE_DATABASE_URL names a standby, where it has to name the primary, "
    "or default_transaction_read_only is on for its login, its database or all of the server."
)
_BY_STATE = {
    "28": "The database refuses the login that RECONCILE_DATABASE_URL names: see to its user and password.",
    "3D": "The database that RECONCILE_DATABASE_URL names does not exist: create it, or see to the name.",
    "3F": NOT_MIGRATED,
    "42P01": NOT_MIGRATED,
    "25006": READ_ONLY,
    "55P03": "Somebody holds a lock on ORCA's tables, so that nothing was changed: try again when they are free.",
    NO_CONNECTION_LEFT: (
        "The database has no connection left for the service, by {limit}: raise that, or run fewer replicas, "
        "or those with a lower RECONCILE_WORKERS and RECONCILE_MAX_EXPORTS."
    ),
}


def unready(error: BaseException) -> DatabaseNotReady | None:
    """Say what keeps the database from being used, where an error tells that."""
    state = sqlstate(error) or ""
    limit = next((limit for words, limit in LIMITS.items() if words in str(error)), "one of its limits")
    said = (sentence for beginning, sentence in _BY_STATE.items() if state.startswith(beginning))
    return next((DatabaseNotReady(sentence.format(limit=limit)) for sentence in said), None)


async def is_read_only(database: Database) -> bool:
    """Tell whether nothing can be written there, as on a standby."""
    async with database.reading() as connection:
        return str((await connection.execute(text("SHOW transaction_read_only"))).scalar_one()) == "on"
