"""What is made once and used by every run: samples, key lists and environments, in a folder that git ignores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from app.inventory.manifest import Manifest, parse_manifest
from app.samples.generate import CATALOG, generate

SEED = 1
DATA_FILES = 8
ROOT = Path(".bench").absolute()
DECODED = "url_decode(replace(Key, '+', ' '))"


@dataclass(frozen=True)
class Sample:
    """One generated archive: its catalog, its inventory in one format, and what is to be found."""

    files: int
    file_format: str
    folder: Path

    @property
    def manifest(self) -> Path:
        """The inventory's manifest."""
        return self.folder / "inventory" / "manifest.json"

    @property
    def data_files(self) -> list[Path]:
        """The inventory's data files in the manifest's order."""
        return [self.folder / file.key for file in self.parsed.files]

    @property
    def parsed(self) -> Manifest:
        """What the manifest says."""
        return parse_manifest(self.manifest.read_bytes(), self.manifest.name)


def folder(*parts: str) -> Path:
    """Give a folder of the cache, made if need be; git ignores all of it."""
    path = ROOT.joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    (ROOT / ".gitignore").write_text("*\n")
    return path


def once(path: Path, make: Callable[[Path], None]) -> Path:
    """Give what `make` wrote to `path`, now or in an earlier run that was not cut short."""
    if not path.exists():
        part = path.with_name(f"part-{path.name}")
        make(part)
        part.rename(path)
    return path


def sample(files: int, file_format: str, *, data_files: int = DATA_FILES) -> Sample:
    """Generate the sample of this size and format, or find it."""
    in_more = f"-{data_files}" if data_files != DATA_FILES else ""
    path = folder("samples") / f"{files}-{SEED}-{file_format}{in_more}"
    if not (path / "inventory" / "manifest.json").exists():
        print(f"generating {files:,} files, {file_format}", flush=True)
        generate(files, path, SEED, file_format, data_files=data_files)
        _keep_once(path / CATALOG, folder("samples").glob(f"{files}-{SEED}-*/{CATALOG}"))
    return Sample(files, file_format, path)


def _keep_once(catalog: Path, same: Iterable[Path]) -> None:
    """Link a catalog to another of its size, which is the same in every format: it is three quarters of a sample."""
    other = next((path for path in same if path != catalog), None)
    if other is not None:
        catalog.unlink()
        catalog.hardlink_to(other)


def environment(name: str, *packages: str) -> Path:
    """Make a virtual environment of a peer's own, and give its folder of programs. Raises CalledProcessError."""
    path = folder("environments") / name
    programs = path / "bin"
    if not (path / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", path], check=True)
        install: list[str | Path] = [
            programs / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *packages,
        ]
        subprocess.run(install, check=True)
        (path / "installed").touch()
    return programs


def decoded_csv(csv: Sample) -> list[Path]:
    """Write the CSV sample again with its keys decoded, for SQL that does not decode them itself."""

    def make(part: Path) -> None:
        part.mkdir(exist_ok=True)
        for number, file in enumerate(csv.data_files):
            decoded = _listed(csv, file).project(f"* REPLACE ({DECODED} AS Key)")
            # An unquoted empty field would be a NULL to PostgreSQL: S3 quotes every field.
            decoded.to_csv(str(part / f"{number}.csv.gz"), header=False, compression="gzip", quoting="all")

    made = once(folder("decoded") / f"{csv.files}-{SEED}", make)
    return sorted(made.iterdir())


def key_lists(csv: Sample) -> tuple[Path, Path]:
    """Write the keys of both sides, one a line: those of the catalog, and those that are in S3."""

    def make(part: Path) -> None:
        part.mkdir(exist_ok=True)
        catalog = duckdb.read_csv(str(csv.folder / "catalog.csv"), header=True, all_varchar=True)
        _write_lines(catalog.project("key_path"), part / "catalog.txt")
        listed = _listed(csv, *csv.data_files).filter("IsLatest = 'true' AND IsDeleteMarker = 'false'")
        _write_lines(listed.project(DECODED), part / "inventory.txt")

    made = once(folder("lists") / f"{csv.files}-{SEED}", make)
    return made / "catalog.txt", made / "inventory.txt"


def _listed(csv: Sample, *files: Path) -> duckdb.DuckDBPyRelation:
    columns = dict.fromkeys(csv.parsed.columns, "VARCHAR")
    return duckdb.read_csv([str(file) for file in files], header=False, columns=columns, auto_detect=False)


def _write_lines(keys: duckdb.DuckDBPyRelation, path: Path) -> None:
    with path.open("w", encoding="utf-8") as lines:
        for batch in keys.to_arrow_reader(100_000):
            lines.writelines(f"{key}\n" for key in batch.column(0).to_pylist())
