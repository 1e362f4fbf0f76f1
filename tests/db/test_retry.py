"""What the database's failures are told apart by."""

from __future__ import annotations

import errno
import socket
import time

import adbc_driver_manager as adbc
import pytest
from asyncpg import DeadlockDetectedError, PostgresError
from sqlalchemy.exc import DBAPIError

from app.db.retry import may_pass, retrying, sqlstate

STATUS = adbc.AdbcStatusCode.IO


def told(state: str) -> DBAPIError:
    error = PostgresError("what it says of it")
    error.sqlstate = state
    return DBAPIError("SELECT 1", {}, error)


def test_an_sqlstate_is_found_beneath_what_others_made_of_it() -> None:
    deadlock = DeadlockDetectedError("deadlock detected")
    wrapped = DBAPIError("SELECT 1", {}, deadlock)
    told = RuntimeError("told otherwise")
    told.__cause__ = wrapped
    assert [sqlstate(error) for error in (deadlock, wrapped, told)] == ["40P01"] * 3
    assert may_pass(told)


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        ConnectionRefusedError(),
        adbc.OperationalError("[libpq] Failed to connect: could not translate host name", status_code=STATUS),
    ],
)
def test_a_server_that_cannot_be_reached_may_be_there_again(error: Exception) -> None:
    """A container that is stopped loses its name as well."""
    assert may_pass(error)


def test_a_full_disk_does_not_pass() -> None:
    assert not may_pass(OSError(errno.ENOSPC, "No space left on device"))


@pytest.mark.parametrize("state", ["08006", "40001", "40P01", "53300", "57P01", "57P03", "55P03", "25P03"])
def test_what_a_server_says_of_itself_may_pass(state: str) -> None:
    assert may_pass(told(state))


@pytest.mark.parametrize("state", ["53100", "57014", "23505", "22P02", "42P01", "25001", "55006"])
def test_what_it_says_of_the_work_does_not(state: str) -> None:
    """Nor does a full disk."""
    assert not may_pass(told(state))


async def test_a_second_passes_before_the_next_try() -> None:
    tries: list[float] = []

    async def fail_once() -> None:
        tries.append(time.monotonic())
        if len(tries) == 1:
            raise ConnectionRefusedError

    await retrying(fail_once)
    first, second = tries
    assert second - first >= 1


def test_an_error_that_is_its_own_cause_has_none() -> None:
    error = ValueError("wrong")
    error.__cause__ = error
    assert sqlstate(error) is None
