from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.samples import Expected, generate
from tests.oracle import Findings, reconcile
from tests.strategies import CREATED
from tests.support.reading import read_catalog, read_report

KINDS = {"etag", "size_in_bytes", "storage_class"}


def found_in(out: Path) -> Findings:
    """Compare what was written, knowing nothing of how it was chosen."""
    catalog = read_catalog(out / "catalog.csv")
    listed = read_report(out / "inventory" / "manifest.json").listed
    return reconcile(catalog, listed, bucket="orca-archive", cutoff=CREATED)


@pytest.mark.parametrize(
    ("files", "findings", "file_format"),
    [
        (1, 0.5, "csv"),
        (2, 0.0035, "orc"),
        (50, 0.0035, "csv"),
        (50, 0, "parquet"),
        (301, 0.3, "orc"),
        (400, 1, "parquet"),
        (3000, 0.05, "csv"),
        (3000, 0.05, "orc"),
        (3000, 0.05, "parquet"),
    ],
)
def test_the_oracle_finds_what_is_expected_and_nothing_else(
    files: int, findings: float, file_format: str, tmp_path: Path
) -> None:
    expected = generate(files, tmp_path, 7, file_format, findings=findings)
    found = found_in(tmp_path)

    assert set(expected.phantoms) == found.phantoms
    assert set(expected.orphans) == found.orphans
    assert expected.mismatches == found.mismatches


def test_the_file_says_what_is_returned_in_the_order_of_the_keys(tmp_path: Path) -> None:
    expected = generate(2000, tmp_path, 7, "csv", findings=0.1)
    written = json.loads((tmp_path / "expected.json").read_text(encoding="utf-8"))

    assert list(written) == ["totals", "phantoms", "orphans", "mismatches"]
    assert written["totals"] == expected.totals == {"orphan": 66, "phantom": 67, "catalogMismatch": 67}
    for kind in ("phantoms", "orphans", "mismatches"):
        keys = list(written[kind])
        assert keys == list(getattr(expected, kind))
        assert keys == sorted(keys, key=str.encode)
    assert written["mismatches"] == expected.mismatches


@pytest.mark.parametrize(
    ("files", "rate", "total"), [(3000, 0.0035, 10), (3000, 0.1, 300), (50, 0.0035, 3), (50, 0, 0), (600, 1, 600)]
)
def test_the_rate_is_kept_with_one_finding_of_each_kind_at_least(
    files: int, rate: float, total: int, tmp_path: Path
) -> None:
    expected = generate(files, tmp_path, 3, "parquet", findings=rate)

    assert sum(expected.totals.values()) == total
    assert max(expected.totals.values()) - min(expected.totals.values()) <= 1
    assert len(read_catalog(tmp_path / "catalog.csv")) == files


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Expected]:
    out = tmp_path_factory.mktemp("many")
    return out, generate(2000, out, 11, "parquet", findings=0.15)


def test_fields_differ_in_all_seven_ways(many: tuple[Path, Expected]) -> None:
    ways = {frozenset(discrepancy.split(", ")) for discrepancy in many[1].mismatches.values()}
    assert len(ways) == 7
    assert frozenset().union(*ways) == KINDS


def test_a_few_findings_of_each_kind_are_pending(many: tuple[Path, Expected]) -> None:
    found = found_in(many[0])
    for pending, of in (
        (found.pending_phantoms, found.phantoms),
        (found.pending_orphans, found.orphans),
        (found.pending_mismatches, set(found.mismatches)),
    ):
        assert 0 < len(pending) <= len(of) / 5


def test_phantoms_are_deleted_or_were_never_there(many: tuple[Path, Expected]) -> None:
    out, expected = many
    markers = {
        row.key
        for row in read_report(out / "inventory" / "manifest.json").listed
        if row.is_latest and row.is_delete_marker
    }
    assert 0 < len(markers & set(expected.phantoms)) < len(expected.phantoms)
    assert markers - set(expected.phantoms), "some markers are of files that the catalog never had"
    assert not markers & set(expected.orphans)
