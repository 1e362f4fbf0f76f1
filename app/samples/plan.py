"""What is asked of the generator, and how many rows of each sort follow from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from app.errors import ReconcileError

FileFormat = Literal["csv", "orc", "parquet"]
FORMATS: tuple[FileFormat, ...] = ("csv", "orc", "parquet")

# What S3 takes as a bucket's name; capitals and underscores are of the buckets of old.
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")

# Amazon's own reports have about this many rows a file.
ROWS_A_FILE = 1_900_000
FEWEST_DATA_FILES = 4


class BadSampleRequest(ReconcileError):
    """The samples cannot be written as they were asked for."""

    name = "invalid-sample-request"
    title = "Such samples cannot be generated"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many of everything; the same plan always gives the same bytes.

    `files` counts catalog files, of which `phantoms` and `mismatches` are findings. `orphans` and `removed` are objects
    beside them: in S3 alone, and deleted from it without ever having been in the catalog.
    """

    files: int
    seed: int
    file_format: FileFormat
    bucket: str
    phantoms: int
    orphans: int
    mismatches: int
    removed: int
    data_files: int

    @property
    def extras(self) -> int:
        """Return how many objects lie beside those of the catalog."""
        return self.orphans + self.removed

    @property
    def slots(self) -> int:
        """Return how many keys there are in all, be it in the catalog, in S3 or in both."""
        return self.files + self.extras


def make_plan(files: int, seed: int, file_format: str, *, bucket: str, findings: float, data_files: int | None) -> Plan:
    """Count the findings and spread them over phantoms, orphans and mismatches, a third each.

    Any rate above zero gives one of each at least, as far as there are files for them. Raises BadSampleRequest.
    """
    if files < 1:
        raise BadSampleRequest(f"There must be at least one file, not {files}.")
    if not 0 <= findings <= 1:
        raise BadSampleRequest(f"The rate of findings lies between 0 and 1, and {findings} does not.")
    if data_files is not None and data_files < 1:
        raise BadSampleRequest(f"An inventory has at least one data file, not {data_files}.")
    if not BUCKET.fullmatch(bucket):
        raise BadSampleRequest(f"{bucket!r} cannot be the name of a bucket.")

    wanted = max(3, round(files * findings)) if findings else 0
    orphans = wanted // 3
    chosen = min(files, wanted - orphans)
    removed = max(1, files // 300)
    slots = files + orphans + removed
    return Plan(
        files=files,
        seed=seed,
        file_format=_known_format(file_format),
        bucket=bucket,
        phantoms=chosen - chosen // 2,
        orphans=orphans,
        mismatches=chosen // 2,
        removed=removed,
        data_files=data_files or min(slots, max(FEWEST_DATA_FILES, -(-slots // ROWS_A_FILE))),
    )


def _known_format(name: str) -> FileFormat:
    for known in FORMATS:
        if name == known:
            return known
    raise BadSampleRequest(f"There is no format {name!r}: it is one of {', '.join(FORMATS)}.")
