"""What was measured, and the table that it makes."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, PrivateAttr

from benchmarks.cache import folder
from benchmarks.machine import description
from benchmarks.measure import Measured

RESULTS = Path(__file__).parent / "RESULTS.md"
MB = 1_000_000


class Row(BaseModel):
    """One way of doing something, and what it took."""

    way: str
    result: str
    seconds: float | None = None
    times: str = ""
    processor: str = ""
    memory: str = ""
    postgres: str = ""
    persisted: str = ""

    @classmethod
    def of(cls, way: str, measured: Measured, persisted: str) -> Self:
        """Make the row of something that was timed."""
        return cls(
            way=way,
            result=f"{measured.seconds:.2f} s",
            seconds=measured.seconds,
            times=", ".join(f"{seconds:.1f}" for seconds in measured.times),
            processor=f"{measured.processor:.1f} + {measured.postgres_processor:.1f}",
            memory=f"{measured.peak / MB:,.0f} MB" if measured.peak else "",
            postgres=f"{measured.postgres_peak / MB:,.0f} MB" if measured.postgres_peak else "",
            persisted=persisted,
        )

    @classmethod
    def of_value(cls, way: str, value: str) -> Self:
        """Make the row of anything else."""
        return cls(way=way, result=value)


class Figure(BaseModel):
    """One ratio, what it must be, and what it should be."""

    what: str
    ratio: float
    must: float
    aim: float
    lower_is_better: bool

    @classmethod
    def at_least(cls, what: str, ratio: float, must: float, aim: float) -> Self:
        """Make a figure that is better the larger it is."""
        return cls(what=what, ratio=ratio, must=must, aim=aim, lower_is_better=False)

    @classmethod
    def at_most(cls, what: str, ratio: float, must: float, aim: float) -> Self:
        """Make a figure that is better the smaller it is."""
        return cls(what=what, ratio=ratio, must=must, aim=aim, lower_is_better=True)

    @property
    def verdict(self) -> str:
        """Say whether it is reached."""
        if self._reaches(self.aim):
            return "aim reached"
        return "reached" if self._reaches(self.must) else "**missed**"

    def _reaches(self, goal: float) -> bool:
        return self.ratio <= goal if self.lower_is_better else self.ratio >= goal


class Section(BaseModel):
    """What one part of a run measured, side by side."""

    name: str
    measured_at: datetime
    load_average: float = 0  # of the machine before the section began: what else was running takes part in the times
    rows: list[Row]
    figures: list[Figure]

    @classmethod
    def now(cls, name: str, rows: list[Row], figures: list[Figure]) -> Self:
        """Make a section that was measured just now."""
        return cls(name=name, measured_at=datetime.now(UTC), rows=rows, figures=figures)


class Results(BaseModel):
    """All sections of one size; each replaces that of an earlier run."""

    files: int
    sections: dict[str, Section] = {}
    _load_average: float = PrivateAttr(default_factory=lambda: os.getloadavg()[0])

    @classmethod
    def of(cls, files: int) -> Results:
        """Find what earlier runs of this size measured."""
        path = cls._path(files)
        return cls.model_validate_json(path.read_bytes()) if path.exists() else cls(files=files)

    def keep(self, section: Section) -> None:
        """Add a section, save it and write `RESULTS.md` anew."""
        section.load_average = self._load_average
        self.sections[section.name] = section
        self._path(self.files).write_text(self.model_dump_json(indent=1))
        print(f"\n{_section(section)}", flush=True)
        write()

    @staticmethod
    def _path(files: int) -> Path:
        return folder("results") / f"{files}.json"


def write() -> None:
    """Write `RESULTS.md` from what all runs on this machine have measured."""
    sizes = sorted((int(path.stem) for path in folder("results").iterdir()), reverse=True)
    parts = [(Path(__file__).parent / "results_head.md").read_text().replace("{machine}", description())]
    for files in sizes:
        parts.append(f"## {files:,} files\n")
        parts += [_section(section) for section in Results.of(files).sections.values()]
    RESULTS.write_text("\n".join(parts))


def _section(section: Section) -> str:
    measured = f"{section.measured_at:%Y-%m-%d %H:%M} UTC, load average before: {section.load_average:.1f}"
    lines = [f"### {section.name.capitalize()} ({measured})", ""]
    timed = any(row.times for row in section.rows)
    if timed:
        lines += [
            "| way | best | all, s | processor, s | peak memory | PostgreSQL's | what is kept |",
            f"|{' --- |' * 7}",
        ]
    else:
        lines += ["| what | measured |", "| --- | --- |"]
    for row in section.rows:
        cells = [row.way, row.result] + (
            [row.times, row.processor, row.memory, row.postgres, row.persisted] if timed else []
        )
        lines.append(f"| {' | '.join(cells)} |")
    if section.figures:
        lines += ["", "| figure | measured | must | aim | |", "| --- | --- | --- | --- | --- |"]
        for figure in section.figures:
            lines.append(
                f"| {figure.what} | {figure.ratio:.3g} | {figure.must:g} | {figure.aim:g} | {figure.verdict} |"
            )
    return "\n".join([*lines, ""])
