"""The shapes of ORCA's own API, as its documentation and schemas have them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

from app.api.finding_shapes import Mismatch, Orphan, Phantom
from app.api.job_shapes import FindingTotals
from app.api.shape import Int8, Milliseconds, Shape
from app.jobs.model import JobStatus
from app.jobs.store import INT8_MAX
from app.reports.orca import PAGE_SIZE


def _whole(value: object) -> object:
    # JSON knows one sort of number only: 3.0 is the integer 3, in JSON Schema and for ORCA.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]


class PageRequest(Shape):
    """Which page; what else a body holds is ignored, as ORCA does."""

    model_config = ConfigDict(strict=True)

    page_index: Whole = Field(ge=0, le=INT8_MAX // PAGE_SIZE - 1, description="0 is the first", examples=[0])


class FindingsRequest(PageRequest):
    """Which page of which job. As with ORCA, the job is that of the body, whatever the path says."""

    job_id: Whole = Field(examples=[42])


class OrcaError(Shape):
    """ORCA's error body."""

    error_type: str = Field(examples=["BadRequest"])
    http_status: int = Field(examples=[400])
    request_id: str = Field(examples=["5f0c2d9a7be14c33"])
    message: str = Field(examples=["data must contain ['pageIndex'] properties"])


class OrcaJob(Shape):
    """A job as ORCA tells it."""

    id: Int8 = Field(examples=[42])
    orca_archive_location: str = Field(examples=["orca-archive"])
    status: JobStatus = Field(examples=["success"])
    inventory_creation_time: Milliseconds
    last_update: Milliseconds
    error_message: str | None = Field(examples=[None])
    report_totals: FindingTotals


class OrcaPage(Shape):
    """A page of ORCA's."""

    another_page: bool = Field(examples=[False])


class OrcaJobsPage(OrcaPage):
    """A page of jobs, the newest inventory first."""

    jobs: list[OrcaJob]


class OrcaFindingsPage(OrcaPage):
    """A page of findings."""

    job_id: int = Field(examples=[42])


class OrcaPhantom(Phantom):
    """A phantom as ORCA tells it."""

    comment: None = Field(default=None, exclude=True)


class OrcaOrphan(Orphan):
    """An orphan as ORCA tells it."""

    comment: None = Field(default=None, exclude=True)


class OrcaPhantomsPage(OrcaFindingsPage):
    """A page of phantoms."""

    phantoms: list[OrcaPhantom]


class OrcaOrphansPage(OrcaFindingsPage):
    """A page of orphans."""

    orphans: list[OrcaOrphan]


class OrcaMismatchesPage(OrcaFindingsPage):
    """A page of mismatches."""

    mismatches: list[Mismatch]
