"""The shapes of what changed between two jobs: totals, and pages of findings with their history."""

from __future__ import annotations

from typing import Literal, Self

import msgspec
from pydantic import ConfigDict, Field

from app.api.finding_shapes import Mismatch, Orphan, Phantom
from app.api.shape import Int8, Milliseconds, Shape, milliseconds
from app.reports.change_pages import Change
from app.reports.change_totals import ChangeTotals
from app.reports.changes import Compared


class History(Shape):
    """In which jobs a finding was seen: successes of the archive location, in the order of their inventories."""

    model_config = ConfigDict(extra="forbid")

    first_job_id: Int8 = Field(description="the first job, of those kept, that saw it", examples=[39])
    first_seen: Milliseconds = Field(description="when that job's inventory was made, ms since the epoch")
    consecutive_jobs: Int8 = Field(
        description="in how many jobs without a gap, the last of them the one in whose report it stands", examples=[3]
    )


class ChangedPhantom(Phantom, History):
    """A phantom, and since when."""


class ChangedOrphan(Orphan, History):
    """An orphan, and since when."""


class ChangedMismatch(Mismatch, History):
    """A mismatch, and since when."""


class KindChanges(Shape):
    """How many findings of one kind changed in which way."""

    new: Int8 = Field(description="in this job's report, not in the earlier one's", examples=[2])
    resolved: Int8 = Field(description="in the earlier job's report, not in this one's", examples=[1])
    persisting: Int8 = Field(description="in both", examples=[40])

    @classmethod
    def of(cls, totals: ChangeTotals) -> Self:
        """Shape the totals of one kind."""
        return cls(new=totals.new, resolved=totals.resolved, persisting=totals.persisting)


class TotalsOfChanges(Shape):
    """What changed of each kind; nothing narrows it."""

    orphan: KindChanges
    phantom: KindChanges
    catalog_mismatch: KindChanges


class ChangesAnswer(Shape):
    """What changed since an earlier job of the same archive location."""

    model_config = ConfigDict(extra="forbid")

    job_id: Int8 = Field(examples=[42])
    against_job_id: Int8 | None = Field(
        description="the earlier job; null where nothing was published before, and everything is new", examples=[41]
    )
    against_inventory_creation_time: Milliseconds | None = Field(description="when S3 made its inventory")
    warnings: list[str] = Field(description="which fields only one of the two jobs compared", examples=[[]])
    totals: TotalsOfChanges

    @classmethod
    def of(cls, compared: Compared) -> ChangesAnswer:
        """Shape two jobs and how many findings changed between them."""
        against = compared.pair.against
        return ChangesAnswer(
            job_id=compared.pair.job.job_id,
            against_job_id=against and against.job_id,
            against_inventory_creation_time=against and milliseconds(against.inventory_creation_time),
            warnings=compared.pair.warnings(),
            totals=TotalsOfChanges(
                orphan=KindChanges.of(compared.totals["orphans"]),
                phantom=KindChanges.of(compared.totals["phantoms"]),
                catalog_mismatch=KindChanges.of(compared.totals["mismatches"]),
            ),
        )


class ChangesPage(ChangesAnswer):
    """The same with a page of one kind. Resolved findings are as the earlier job reported them."""

    change: Change = Field(description="how these changed", examples=["new"])
    another_page: bool = Field(description="whether there are more", examples=[False])
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last", examples=[None])


class ChangedPhantomsPage(ChangesPage):
    """Phantoms in the order of collectionId, granuleId, keyPath."""

    kind: Literal["phantoms"]
    phantoms: list[ChangedPhantom]


class ChangedOrphansPage(ChangesPage):
    """Orphans in the order of keyPath."""

    kind: Literal["orphans"]
    orphans: list[ChangedOrphan]


class ChangedMismatchesPage(ChangesPage):
    """Mismatches in the order of collectionId, granuleId, keyPath."""

    kind: Literal["mismatches"]
    mismatches: list[ChangedMismatch]


def page_body(compared: Compared) -> bytes:
    """Give the answer's body: the totals, and the page that was asked for."""
    answer = ChangesAnswer.of(compared).model_dump(by_alias=True)
    page, wanted = compared.page, compared.wanted
    if page is None or wanted is None:
        return msgspec.json.encode(answer)
    answer |= {"kind": wanted.kind.name, "change": wanted.change}
    answer |= {"anotherPage": page.next_cursor is not None, "nextCursor": page.next_cursor}
    answer[wanted.kind.name] = page.items
    return msgspec.json.encode(answer)
