from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.oracle import CatalogFile, Findings, ListedObject, reconcile

CUTOFF = datetime(2024, 5, 7, 1, tzinfo=UTC)
EARLIER = CUTOFF - timedelta(milliseconds=1)
FILE = CatalogFile(
    key="k",
    etag='"e"',
    size=0,
    storage_class="GLACIER",
    last_update=EARLIER,
    collection="c",
    granule="g",
    archive_location="b",
)
OBJECT = ListedObject(key="k", etag="e", size=None, storage_class="GLACIER", last_modified=EARLIER)
MARKER = ListedObject(key="k", etag=None, size=None, storage_class=None, last_modified=EARLIER, is_delete_marker=True)


def findings(files: list[CatalogFile], rows: list[ListedObject], compared: tuple[str, ...] | None = None) -> Findings:
    if compared is None:
        return reconcile(files, rows, bucket="b", cutoff=CUTOFF)
    return reconcile(files, rows, bucket="b", cutoff=CUTOFF, compared=compared)


def nothing(found: Findings) -> bool:
    return not (found.phantoms or found.orphans or found.mismatches)


def test_a_file_and_its_object_agree_whatever_the_quotes_and_with_a_missing_size_for_zero() -> None:
    assert nothing(findings([FILE], [OBJECT]))
    assert nothing(findings([replace(FILE, etag="e")], [replace(OBJECT, etag='"e"', size=0)]))


def test_only_the_latest_version_counts() -> None:
    old = replace(OBJECT, etag="other", is_latest=False)
    assert nothing(findings([FILE], [old, OBJECT]))
    assert findings([FILE], [old]).phantoms == {"k"}


def test_a_delete_marker_makes_a_phantom_and_never_an_orphan() -> None:
    assert findings([FILE], [MARKER, replace(OBJECT, is_latest=False)]).phantoms == {"k"}
    assert nothing(findings([], [MARKER]))
    assert nothing(findings([FILE], [OBJECT, replace(MARKER, is_latest=False)]))


def test_differences_are_listed_in_order_and_only_of_the_fields_that_are_compared() -> None:
    other = replace(OBJECT, etag="x", size=1, storage_class="STANDARD")
    assert findings([FILE], [other]).mismatches == {"k": "etag, size_in_bytes, storage_class"}
    assert findings([FILE], [other], ("storage_class", "etag")).mismatches == {"k": "etag, storage_class"}
    assert nothing(findings([FILE], [other], ()))


def test_another_buckets_file_is_not_seen() -> None:
    assert findings([replace(FILE, archive_location="a")], [OBJECT]).orphans == {"k"}


def test_what_is_not_earlier_than_the_cutoff_is_pending() -> None:
    late_file, late_object = replace(FILE, last_update=CUTOFF), replace(OBJECT, last_modified=CUTOFF, size=1)
    assert findings([late_file], []).pending_phantoms == {"k"}
    assert findings([], [late_object]).pending_orphans == {"k"}
    assert findings([FILE], [late_object]).pending_mismatches == {"k"}
    assert findings([late_file], [replace(OBJECT, size=1)]).pending_mismatches == {"k"}
    early = findings([FILE, replace(FILE, key="p")], [replace(OBJECT, size=1), replace(OBJECT, key="o")])
    assert (early.mismatches, early.phantoms, early.orphans) == ({"k": "size_in_bytes"}, {"p"}, {"o"})
    assert early.pending_phantoms | early.pending_orphans | early.pending_mismatches == set()


def test_a_key_that_is_latest_twice_has_no_verdict() -> None:
    with pytest.raises(ValueError, match="twice"):
        findings([FILE], [OBJECT, MARKER])
