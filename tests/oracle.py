"""What the reports must say, by sets and in the simplest way; none of the app's code is used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

FIELDS = ("etag", "size_in_bytes", "storage_class")


@dataclass(frozen=True, kw_only=True)
class CatalogFile:
    key: str
    etag: str
    size: int
    storage_class: str
    last_update: datetime  # the granule's
    collection: str
    granule: str
    archive_location: str


@dataclass(frozen=True, kw_only=True)
class ListedObject:
    """A row as the inventory lists it; a delete marker has no ETag, size or storage class."""

    key: str
    etag: str | None
    size: int | None
    storage_class: str | None
    last_modified: datetime
    is_latest: bool = True
    is_delete_marker: bool = False


@dataclass(frozen=True, kw_only=True)
class Findings:
    phantoms: set[str]
    orphans: set[str]
    mismatches: dict[str, str]
    pending_phantoms: set[str]
    pending_orphans: set[str]
    pending_mismatches: set[str]


def reconcile(
    catalog: Iterable[CatalogFile],
    listed: Iterable[ListedObject],
    *,
    bucket: str,
    cutoff: datetime,
    compared: Iterable[str] = FIELDS,
) -> Findings:
    """Compare one bucket; `cutoff` is the inventory's creation time less the grace period."""
    fields = tuple(compared)
    latest = [row for row in listed if row.is_latest]
    if len({row.key for row in latest}) < len(latest):
        raise ValueError("a key is listed twice as latest")
    in_s3 = {row.key: row for row in latest if not row.is_delete_marker}
    in_catalog = {file.key: file for file in catalog if file.archive_location == bucket}
    late_in_s3 = {key for key, row in in_s3.items() if row.last_modified >= cutoff}
    late_in_catalog = {key for key, file in in_catalog.items() if file.last_update >= cutoff}

    phantoms = in_catalog.keys() - in_s3.keys()
    orphans = in_s3.keys() - in_catalog.keys()
    both = in_catalog.keys() & in_s3.keys()
    differences = {key: [name for name in _differing(in_catalog[key], in_s3[key]) if name in fields] for key in both}
    mismatches = {key: ", ".join(names) for key, names in differences.items() if names}
    return Findings(
        phantoms=phantoms,
        orphans=orphans,
        mismatches=mismatches,
        pending_phantoms=phantoms & late_in_catalog,
        pending_orphans=orphans & late_in_s3,
        pending_mismatches=mismatches.keys() & (late_in_catalog | late_in_s3),
    )


def _differing(file: CatalogFile, row: ListedObject) -> list[str]:
    ours = (_bare(file.etag), file.size, file.storage_class)
    theirs = (_bare(row.etag or ""), row.size or 0, row.storage_class or "")
    return [name for name, our, their in zip(FIELDS, ours, theirs, strict=True) if our != their]


def _bare(etag: str) -> str:
    return etag.removeprefix('"').removesuffix('"')
