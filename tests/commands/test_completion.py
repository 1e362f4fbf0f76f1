"""The shell completes commands, and what an argument may be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("orca-reconcile")


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("orca-reconcile rep", {"report"}),
        ("orca-reconcile report 1 ", {"phantoms", "orphans", "mismatches"}),
        ("orca-reconcile changes 1 phantoms --change re", {"resolved"}),
        ("orca-reconcile jobs --status s", {"staged", "success"}),
    ],
)
def test_the_shell_completes(words: str, completed: set[str]) -> None:
    environment = {
        **os.environ,
        "_ORCA_RECONCILE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    result = subprocess.run([SCRIPT], check=False, capture_output=True, text=True, env=environment)
    assert result.stderr == ""
    assert set(result.stdout.split()) == completed


def test_the_script_for_the_shell_can_be_shown() -> None:
    environment = {**os.environ, "_ORCA_RECONCILE_COMPLETE": "source_bash"}
    result = subprocess.run([SCRIPT], check=False, capture_output=True, text=True, env=environment)
    assert "complete" in result.stdout
