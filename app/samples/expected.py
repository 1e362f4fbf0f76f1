"""`expected.json`: the findings that were put in, and so the ones that must come out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.samples.archive import Archive
from app.samples.plan import Plan


@dataclass(frozen=True)
class Expected:
    """Every finding by its key, in the order of the keys' UTF-8 bytes; mismatches with their discrepancy type."""

    phantoms: tuple[str, ...]
    orphans: tuple[str, ...]
    mismatches: Mapping[str, str]

    @property
    def totals(self) -> dict[str, int]:
        """Return how many findings there are of each kind, under the names of a job's `reportTotals`."""
        return {
            "orphan": len(self.orphans),
            "phantom": len(self.phantoms),
            "catalogMismatch": len(self.mismatches),
        }

    def write(self, path: Path) -> None:
        """Write the findings as JSON."""
        findings = {
            "totals": self.totals,
            "phantoms": self.phantoms,
            "orphans": self.orphans,
            "mismatches": dict(self.mismatches),
        }
        path.write_text(json.dumps(findings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def expected_findings(archive: Archive, plan: Plan) -> Expected:
    """Read the findings from the table in which they were chosen, not from the rows that were written."""
    rows: list[tuple[str, str, str]] = []
    for _, batches in archive.read("expected", plan.slots):
        for batch in batches:
            rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
    rows.sort(key=lambda row: row[1].encode())
    return Expected(
        phantoms=tuple(key for kind, key, _ in rows if kind == "phantom"),
        orphans=tuple(key for kind, key, _ in rows if kind == "orphan"),
        mismatches={key: discrepancy for kind, key, discrepancy in rows if kind == "mismatch"},
    )
