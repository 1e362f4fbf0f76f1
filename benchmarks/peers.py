"""What an operator would use without a database: a DuckDB script, and tools that compare lists of keys."""

from __future__ import annotations

from pathlib import Path
from subprocess import CalledProcessError

from benchmarks.cache import Sample, environment, folder
from benchmarks.measure import REPEATS, Measured, PeerFailed, command
from benchmarks.server import Server

HERE = Path(__file__).parent
DUCKDB = ("duckdb==1.5.5", "duckdb-extension-postgres-scanner")
RUCIO = ("rucio-consistency==1.7.5", "pyyaml")  # which it imports and does not ask for
SORT_MEMORY = "1G"
SORT_AND_COMM = (
    "export LC_ALL=C; "
    'sort -S {memory} --parallel=2 "{catalog}" > "{out}/catalog.sorted" && '
    'sort -S {memory} --parallel=2 "{inventory}" > "{out}/inventory.sorted" && '
    'comm -3 "{out}/catalog.sorted" "{out}/inventory.sorted" > "{out}/difference.txt"'
)


async def duckdb_script(server: Server, sample: Sample) -> Measured:
    """Time the script as a whole, from its start to its end, as a person would who runs it. Raises `PeerFailed`."""
    python = _programs("duckdb", DUCKDB) / "python"
    result = folder("peers") / "difference.duckdb"
    script: list[str | Path] = [python, HERE / "duckdb_script.py", server.url, result, sample.file_format]
    for old in result.parent.glob("difference.duckdb*"):
        old.unlink()
    await server.settle()
    return command([*script, *sample.data_files], server, log=folder("logs") / "duckdb_script.log")


def rucio(catalog: Path, inventory: Path) -> Measured:
    """Time `rce_cmp3`: which keys are dark and which missing, the catalog being that of before and after the scan.

    Its command for two lists, `rce_cmp2`, ends in an AttributeError in this version. Raises `PeerFailed`.
    """
    program = _programs("rucio", RUCIO) / "rce_cmp3"
    before, scan, out = catalog.with_suffix(""), inventory.with_suffix(""), folder("peers")
    arguments: list[str | Path] = [program, before, scan, before, out / "dark.txt", out / "missing.txt"]
    return Measured.best([command(arguments, None, log=folder("logs") / "rucio.log") for _ in range(REPEATS)])


def sort_and_comm(catalog: Path, inventory: Path) -> Measured:
    """Time sorting both lists and printing the keys that are in one only. Raises `PeerFailed`."""
    script = SORT_AND_COMM.format(memory=SORT_MEMORY, catalog=catalog, inventory=inventory, out=folder("peers"))
    return Measured.best(
        [command(["bash", "-c", script], None, log=folder("logs") / "comm.log") for _ in range(REPEATS)]
    )


def _programs(name: str, packages: tuple[str, ...]) -> Path:
    try:
        return environment(name, *packages)
    except CalledProcessError as error:
        raise PeerFailed(f"{' '.join(packages)} could not be installed ({error.returncode})") from error
