"""Programs of the system that some tests run."""

from __future__ import annotations

import os
import shutil

import pytest


def need(program: str) -> None:
    """Skip the test where a program is missing; with REQUIRE_ALL set, fail it."""
    if shutil.which(program) is None:
        if os.environ.get("REQUIRE_ALL"):
            pytest.fail(f"{program} is missing")
        pytest.skip(f"{program} is missing")
