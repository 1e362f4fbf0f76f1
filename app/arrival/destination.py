"""What S3 calls things in the destination of an inventory, and what a listing of it finds.

S3 writes a report to `<prefix>/<source bucket>/<configuration>/<YYYY-MM-DDTHH-MMZ>/manifest.json`, then its
`manifest.checksum`; the data files of all reports lie in `data/` beside these dated folders, Hive's lists in `hive/`
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

MANIFEST = "manifest.json"
CHECKSUM = "manifest.checksum"
WITHOUT_MANIFESTS = ("data", "hive")
"""The folders that lie beside dated ones and never hold a manifest, in the order of their names."""

# The name of a dated folder says when the report began, and so does its manifest; should they differ, it is by less.
SLACK = timedelta(days=1)

DATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\dZ")
_NAME = "%Y-%m-%dT%H-%MZ"

Floor = Callable[[str], datetime | None]
"""Says before which time the dated folders of a report need not be looked into; `None`: all of them have to be."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A manifest as a listing shows it.

    `report` is the URL of the folder that stands for the whole series, `fingerprint` changes with the manifest or its
    checksum, `modified` is the store's time of the manifest.
    """

    url: str
    report: str
    fingerprint: str
    modified: datetime
    has_checksum: bool


class Destination(Protocol):
    """A folder of a store, to which inventories are delivered."""

    def manifests(self, floor: Floor) -> AsyncGenerator[Listed, None]:
        """List the manifests, the earlier of a report first. Raises `StorageUnavailable`."""


def s3_url(bucket: str, key: str) -> str:
    """Write an object's URL as people do; only a `%` of the key is encoded, since URLs are decoded once."""
    return f"s3://{bucket}/{key.replace('%', '%25')}"


def time_of(folder: str) -> datetime | None:
    """Read the time in the name of a dated folder; `None` for any other name."""
    if not DATED.fullmatch(folder):
        return None
    try:
        return datetime.strptime(folder, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


def dated(time: datetime) -> str:
    """Name the folder of a report that began at this time."""
    return time.astimezone(UTC).strftime(_NAME)


def report_of(manifest: str) -> str:
    """Give the folder that all manifests of a report share: around the dated folder, else the manifest's own."""
    folder = manifest.rpartition("/")[0]
    parent, _, name = folder.rpartition("/")
    return folder if time_of(name) is None else parent
