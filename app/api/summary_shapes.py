"""The shape of a job's summary."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from app.api.job_shapes import FindingTotals
from app.api.shape import Int8, Milliseconds, Shape, milliseconds
from app.reports.summary import Summary
from app.reports.summary import Tallies as StoredTallies
from app.reports.summary import Tally as StoredTally


class Tally(Shape):
    """What some findings add up to."""

    findings: Int8 = Field(description="how many", examples=[12])
    pending: Int8 = Field(description="how many of them may only have been in flight", examples=[1])
    bytes: Int8 = Field(description="their size: the catalog's for phantoms, else S3's", examples=[6543277389])

    @classmethod
    def of(cls, tally: StoredTally) -> Self:
        """Shape a tally."""
        return cls(findings=tally.findings, pending=tally.pending, bytes=tally.bytes)


class Bytes(Shape):
    """How many bytes the findings of each kind are."""

    orphan: Int8 = Field(description="in S3, paid for and not findable", examples=[1000000])
    phantom: Int8 = Field(description="lost, by the catalog's word", examples=[6543277389])
    catalog_mismatch: Int8 = Field(description="in S3", examples=[2000000])


class CollectionPart(Shape):
    """The findings of one collection; orphans belong to none."""

    collection_id: str = Field(examples=["MOD09GQ___006"])
    phantom: Tally
    catalog_mismatch: Tally

    @classmethod
    def of(cls, value: str, tallies: StoredTallies) -> Self:
        """Shape a collection's tallies."""
        return cls(collection_id=value, phantom=Tally.of(tallies.phantom), catalog_mismatch=Tally.of(tallies.mismatch))


class DiscrepancyPart(Tally):
    """The mismatches that differ in just these fields."""

    discrepancy_type: str = Field(examples=["etag, size_in_bytes"])


class KindsPart(Shape):
    """A tally for each kind."""

    orphan: Tally
    phantom: Tally
    catalog_mismatch: Tally


class PrefixPart(KindsPart):
    """The findings whose keys lie in a folder, or below it where it is as deep as was asked for."""

    key_prefix: str = Field(description="ends in a slash; empty for keys without a folder", examples=["MOD09GQ/006/"])


class DayPart(KindsPart):
    """The findings of a day in UTC: of the catalog's time for phantoms, else of S3's."""

    day: str = Field(json_schema_extra={"format": "date"}, examples=["2024-06-01"])


class SummaryAnswer(Shape):
    """What a job's reports add up to."""

    job_id: Int8 = Field(examples=[42])
    orca_archive_location: str = Field(examples=["orca-archive"])
    inventory_creation_time: Milliseconds = Field(description="when S3 made the inventory, ms since the epoch")
    published_at: Milliseconds = Field(description="when these reports were published, ms since the epoch")
    engine: str | None = Field(description="what computed them; null: ORCA itself", examples=["duckdb"])
    compared_fields: list[str] = Field(examples=[["etag", "size_in_bytes", "storage_class"]])
    warnings: list[str] = Field(examples=[[]])
    inventory_objects: Int8 | None = Field(examples=[5000000])
    catalog_files: Int8 | None = Field(examples=[5000000])
    totals: FindingTotals
    pending_totals: FindingTotals
    bytes: Bytes
    by_collection: list[CollectionPart] = Field(description="those with most findings first")
    by_discrepancy_type: list[DiscrepancyPart] = Field(description="those with most findings first")
    by_key_prefix: list[PrefixPart] = Field(
        description="those with most findings first, and of each kind only its first 1,000: one that has none in a "
        "folder may have some that are beyond these"
    )
    by_day: list[DayPart] = Field(description="in order")

    @classmethod
    def of(cls, summary: Summary) -> Self:
        """Shape a stored summary."""
        total = summary.total
        return cls(
            job_id=summary.job_id,
            orca_archive_location=summary.orca_archive_location,
            inventory_creation_time=milliseconds(summary.inventory_creation_time),
            published_at=milliseconds(summary.published_at),
            engine=summary.engine,
            compared_fields=summary.compared_fields,
            warnings=summary.warnings,
            inventory_objects=summary.inventory_objects,
            catalog_files=summary.catalog_files,
            totals=FindingTotals(
                orphan=total.orphan.findings,
                phantom=total.phantom.findings,
                catalog_mismatch=total.mismatch.findings,
            ),
            pending_totals=FindingTotals(
                orphan=total.orphan.pending, phantom=total.phantom.pending, catalog_mismatch=total.mismatch.pending
            ),
            bytes=Bytes(orphan=total.orphan.bytes, phantom=total.phantom.bytes, catalog_mismatch=total.mismatch.bytes),
            by_collection=[CollectionPart.of(*part) for part in summary.parts.get("collection", {}).items()],
            by_discrepancy_type=[
                DiscrepancyPart(discrepancy_type=value, **Tally.of(tallies.mismatch).model_dump(by_alias=False))
                for value, tallies in summary.parts.get("discrepancy", {}).items()
            ],
            by_key_prefix=[
                PrefixPart(key_prefix=value, **_kinds(tallies))
                for value, tallies in summary.parts.get("prefix", {}).items()
            ],
            by_day=[DayPart(day=value, **_kinds(tallies)) for value, tallies in summary.parts.get("day", {}).items()],
        )


def _kinds(tallies: StoredTallies) -> dict[str, Tally]:
    return {
        "orphan": Tally.of(tallies.orphan),
        "phantom": Tally.of(tallies.phantom),
        "catalog_mismatch": Tally.of(tallies.mismatch),
    }
