"""What the database's failures are told apart by."""

from __future__ import annotations

from asyncpg import DeadlockDetectedError
from sqlalchemy.exc import DBAPIError

from app.db.retry import may_pass, sqlstate


def test_an_sqlstate_is_found_beneath_what_others_made_of_it() -> None:
    deadlock = DeadlockDetectedError("deadlock detected")
    wrapped = DBAPIError("SELECT 1", {}, deadlock)
    told = RuntimeError("told otherwise")
    told.__cause__ = wrapped
    assert [sqlstate(error) for error in (deadlock, wrapped, told)] == ["40P01"] * 3
    assert may_pass(told)


def test_an_error_that_is_its_own_cause_has_none() -> None:
    error = ValueError("wrong")
    error.__cause__ = error
    assert sqlstate(error) is None
