"""Connections that rely on no default: what a login, a database or the environment sets may be meant for anybody else.

Whether they may write is left to those, who may well mean us.
"""

from __future__ import annotations

import adbc_driver_postgresql.dbapi as adbc
import asyncpg
import orjson

CONNECT_TIMEOUT_S = 10
# PostgreSQL notices within a minute that the machine at the other end is gone, and with it whatever it had locked.
KEEPALIVES = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
SETTINGS = {
    "default_transaction_isolation": "read committed",
    "standard_conforming_strings": "on",
    # A run takes as long as it takes, and what holds it for its runner is idle meanwhile.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
# Not as the session is opened: an older PostgreSQL would refuse that for the name of a setting that it has not.
SET = """
    SELECT count(set_config(name, value, false)) FROM json_each_text(CAST($1 AS json)) AS ours (name, value)
    WHERE current_setting(name, true) IS NOT NULL
"""


async def connect(url: str, application_name: str = "orca-reconcile", **settings: str) -> asyncpg.Connection:
    """Connect for everything small, with `settings` of the caller's own."""
    connection = await asyncpg.connect(
        _in_utf8(url),
        timeout=CONNECT_TIMEOUT_S,
        max_cached_statement_lifetime=0,
        server_settings={"application_name": application_name, "timezone": "UTC", **KEEPALIVES},
    )
    try:
        await connection.execute(SET, _as_json(SETTINGS | settings), timeout=CONNECT_TIMEOUT_S)
    except BaseException:
        connection.terminate()
        raise
    return connection


def connect_arrow(url: str) -> adbc.Connection:
    """Connect for rows in bulk; blocks."""
    connection = adbc.connect(_in_utf8(url))
    try:
        with connection.cursor() as cursor:
            cursor.execute(SET, (_as_json(SETTINGS),)).fetchone()
        connection.commit()  # else it would go with the first transaction that is rolled back
    except BaseException:
        connection.close()
        raise
    return connection


def _in_utf8(url: str) -> str:
    # Of two in a URL the last one counts, before what the environment and the login say. Not once it is connected: the
    # Arrow driver reads the names of all types as it connects, and lets libpq tell it how they are written.
    url = url.rstrip("?&")
    return f"{url}{'&' if '?' in url else '?'}client_encoding=UTF8"


def _as_json(settings: dict[str, str]) -> str:
    return orjson.dumps(settings).decode()
