"""The shapes of findings, which are exactly ORCA's, and of pages of them.

The answers themselves are made without these (`app/reports/findings.py`); these describe them, and a test holds every
answer to them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from app.api.shape import Int8, Milliseconds, Shape

CATALOG_TIME = "when the catalog's granule was last changed, ms since the epoch"
S3_TIME = "when the object was last changed in S3, ms since the epoch"
COLLECTION = "MOD09GQ___006"
GRANULE = "MOD09GQ.A2017025.h21v00.006.2017034065104"
KEY = f"MOD09GQ/006/{GRANULE}.hdf"


class Finding(Shape):
    """One finding."""

    model_config = ConfigDict(extra="forbid")

    key_path: str = Field(description="the key in the archive location", examples=[KEY])
    comment: Literal["Error may be due to race condition, and should be checked manually."] | None = Field(
        description="for a pending finding, whose file may have been in flight while S3 made the list; else null",
        examples=[None],
    )


class Phantom(Finding):
    """A file of the catalog that is not in S3."""

    collection_id: str = Field(description="Cumulus' collection", examples=[COLLECTION])
    granule_id: str = Field(description="Cumulus' granule", examples=[GRANULE])
    filename: str = Field(examples=[f"{GRANULE}.hdf"])
    orca_etag: str = Field(description="the catalog's ETag", examples=['"d41d8cd98f00b204e9800998ecf8427e-3"'])
    orca_granule_last_update: Milliseconds = Field(description=CATALOG_TIME)
    orca_size_in_bytes: Int8 = Field(examples=[6543277389])
    orca_storage_class: str = Field(examples=["GLACIER"])


class Orphan(Finding):
    """An object in S3 that the catalog does not have."""

    s3_etag: str = Field(description="S3's ETag", examples=['"d41d8cd98f00b204e9800998ecf8427e-3"'])
    s3_file_last_update: Milliseconds = Field(description=S3_TIME)
    s3_size_in_bytes: Int8 = Field(examples=[6543277389])
    s3_storage_class: str = Field(examples=["GLACIER"])


class Mismatch(Phantom, Orphan):
    """A file in both whose ETag, size or storage class differ."""

    cumulus_archive_location: str = Field(description="the bucket Cumulus has it in", examples=["cumulus-protected"])
    discrepancy_type: str = Field(
        description="what differs: etag, size_in_bytes, storage_class, in this order, joined by a comma and a space",
        examples=["etag, size_in_bytes"],
    )


class FindingsPage(Shape):
    """A page of findings."""

    model_config = ConfigDict(extra="forbid")

    job_id: Int8 = Field(examples=[42])
    another_page: bool = Field(description="whether there are more", examples=[False])
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last", examples=[None])


class PhantomsPage(FindingsPage):
    """Phantoms in the order of collectionId, granuleId, keyPath."""

    phantoms: list[Phantom]


class OrphansPage(FindingsPage):
    """Orphans in the order of keyPath."""

    orphans: list[Orphan]


class MismatchesPage(FindingsPage):
    """Mismatches in the order of collectionId, granuleId, keyPath."""

    mismatches: list[Mismatch]
