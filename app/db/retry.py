"""Which failures of the database may pass, and how often we try again.

asyncpg through SQLAlchemy gives a deadlock or a shutdown as plain `DBAPIError`, a killed connection as
`InterfaceError` and a refused one as a bare `OSError`, so the class of the exception says little: the SQLSTATE does.
"""

from __future__ import annotations

import errno
import socket

import stamina
from adbc_driver_manager import Error as AdbcError
from asyncpg import InterfaceError, PostgresError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

PASSING_CLASSES = (
    "08",  # connection exceptions
    "40",  # transaction rollback: serialization failure, deadlock
    "53",  # insufficient resources: too many connections, out of memory
    "57P",  # operator intervention: shutdown, crash, cannot connect now
    "55P03",  # lock not available within lock_timeout
    "25P03",  # the server ended an idle transaction
)
DISK_FULL = "53100"
NO_CONNECTION_LEFT = "53300"
LIMITS = {
    "connections for role": "the CONNECTION LIMIT of its login",
    "connections for database": "the CONNECTION LIMIT of the database",
    "clients already": "max_connections",
    "slots are reserved": "max_connections",
}
"""Which limit PostgreSQL means where it says so of a connection that it does not take."""
TIMED_OUT = "57014"
_UNREACHABLE = {errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH}


def sqlstate(error: BaseException | None) -> str | None:
    """Find the SQLSTATE in an error of asyncpg, of SQLAlchemy around it, or of the Arrow driver."""
    seen: list[BaseException] = []  # an error that was raised from itself is its own cause
    while error is not None and error not in seen:
        seen.append(error)
        if isinstance(error, (PostgresError, AdbcError)) and error.sqlstate:
            return str(error.sqlstate)
        # libpq gives none for a connection that it could not make.
        if isinstance(error, AdbcError) and any(words in str(error) for words in LIMITS):
            return NO_CONNECTION_LEFT
        error = (error.orig if isinstance(error, DBAPIError) else None) or error.__cause__
    return None


def may_pass(error: BaseException) -> bool:
    """Tell whether trying again can help: lost, refused or busy servers, deadlocks; never wrong data."""
    state = sqlstate(error)
    if state is not None:
        return state.startswith(PASSING_CLASSES) and state != DISK_FULL
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error.orig.__cause__ if error.orig else None, InterfaceError)
    if isinstance(error, AdbcError):
        # libpq gives no SQLSTATE for a connection that was cut in the middle of a COPY, or that it could not make.
        return "connect" in str(error).lower()
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return True
    # A Unix socket that is not there is a server that is not running, and a name may be gone with its server.
    passing = (ConnectionError, FileNotFoundError, TimeoutError, socket.gaierror, InterfaceError, PoolTimeout)
    return isinstance(error, passing)


def _hook(error: Exception) -> bool:
    return may_pass(error)


retrying = stamina.AsyncRetryingCaller(
    attempts=4, timeout=None, wait_initial=1.0, wait_exp_base=2, wait_jitter=1.0, wait_max=5.0
).on(_hook)
"""`await retrying(function, *args)`: three more tries after 1, 2 and 4 s plus up to 1 s of chance."""
