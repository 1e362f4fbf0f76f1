"""The shapes of what is asked of jobs and answered."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field

from app.api.shape import Int8, Milliseconds, Shape, Text, milliseconds
from app.jobs.model import EngineChoice, EngineName, Job, JobStatus, Totals
from app.jobs.model import Progress as JobProgress

Force = Annotated[bool, Field(description="start even where a safety check says no")]
Engine = Annotated[EngineChoice, Field(description="what computes the differences; `auto` chooses by the job")]


class Request(Shape):
    """A body as it has to be: a misspelt or mistyped field is refused, and not taken for its default."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SubmitRequest(Request):
    """An inventory to take in."""

    manifest_url: Text = Field(
        min_length=1,
        max_length=4096,
        description="where the inventory's manifest.json is: `s3://…` or `file:///…`",
        examples=["s3://inventory-bucket/orca-archive/daily/2024-06-01T01-00Z/manifest.json"],
    )
    engine: Engine = "auto"
    reconcile: bool = Field(default=True, description="false: stop when the inventory is staged")
    rerun: bool = Field(default=False, description="take the same manifest in once more")
    force: Force = False


class ReconcileRequest(Request):
    """How to compare a job; everything may be left out."""

    orca_archive_location: Text | None = Field(
        default=None,
        max_length=255,
        description="if given, it has to be the job's own: a guard against a mixed-up id",
        examples=["orca-archive"],
    )
    engine: Engine = "auto"
    force: Force = False


class FindingTotals(Shape):
    """How many findings of each kind."""

    orphan: Int8 = Field(ge=0, description="in S3, but not in the catalog", examples=[3])
    phantom: Int8 = Field(ge=0, description="in the catalog, but not in S3", examples=[1])
    catalog_mismatch: Int8 = Field(ge=0, description="in both, but not the same", examples=[2])

    @classmethod
    def of(cls, totals: Totals) -> Self:
        """Shape a job's totals."""
        return cls(orphan=totals.orphan, phantom=totals.phantom, catalog_mismatch=totals.catalog_mismatch)


class Progress(Shape):
    """How far the job's run has come."""

    phase: str = Field(description="what it is at", examples=["reading the inventory"])
    done: Int8 = Field(description="how much of it is done", examples=[1250000])
    total: Int8 | None = Field(description="of how much; null where that cannot be known", examples=[5000000])
    unit: str | None = Field(description="of what", examples=["rows"])

    @classmethod
    def of(cls, progress: JobProgress) -> Self:
        """Shape a job's progress."""
        return cls(phase=progress.phase, done=progress.done, total=progress.total, unit=progress.unit)


class JobAnswer(Shape):
    """A job: one inventory taken in and compared. What is not known yet is null."""

    id: Int8 = Field(examples=[42])
    job_id: Int8 = Field(description="the same as `id`", examples=[42])
    orca_archive_location: str = Field(description="the bucket of the archived files", examples=["orca-archive"])
    status: JobStatus = Field(description="one of ORCA's five", examples=["success"])
    inventory_creation_time: Milliseconds = Field(description="when S3 made the inventory, ms since the epoch")
    start_time: Milliseconds = Field(description="when the job began, ms since the epoch")
    last_update: Milliseconds = Field(description="when its status last changed, ms since the epoch")
    end_time: Milliseconds | None = Field(description="when it ended, ms since the epoch")
    error_message: str | None = Field(description="why it ended in `error`", examples=[None])
    report_totals: FindingTotals | None = Field(description="what the published reports hold")
    pending_totals: FindingTotals | None = Field(description="how many of those may only have been in flight")
    manifest_url: str | None = Field(
        description="null for a job that another program staged",
        examples=["s3://inventory-bucket/orca-archive/daily/2024-06-01T01-00Z/manifest.json"],
    )
    engine: EngineName | None = Field(description="of the newest run", examples=["duckdb"])
    attempt: int | None = Field(description="how often the newest run was begun", examples=[1])
    progress: Progress | None = Field(description="of what is queued or running")
    inventory_objects: Int8 | None = Field(description="latest versions in the inventory", examples=[5000000])
    catalog_files: Int8 | None = Field(description="files of the archive location", examples=[5000000])
    compared_fields: list[str] | None = Field(
        description="those of etag, size_in_bytes and storage_class that the inventory carries",
        examples=[["etag", "size_in_bytes", "storage_class"]],
    )
    warnings: list[str] = Field(description="what a reader of the reports should know", examples=[[]])

    @classmethod
    def of(cls, job: Job) -> Self:
        """Shape a job."""
        return cls(
            id=job.id,
            job_id=job.id,
            orca_archive_location=job.orca_archive_location,
            status=job.status,
            inventory_creation_time=milliseconds(job.inventory_creation_time),
            start_time=milliseconds(job.start_time),
            last_update=milliseconds(job.last_update),
            end_time=None if job.end_time is None else milliseconds(job.end_time),
            error_message=job.error_message,
            report_totals=None if job.report_totals is None else FindingTotals.of(job.report_totals),
            pending_totals=None if job.pending_totals is None else FindingTotals.of(job.pending_totals),
            manifest_url=job.manifest_url,
            engine=job.engine,
            attempt=job.attempt,
            progress=None if job.progress is None else Progress.of(job.progress),
            inventory_objects=job.inventory_objects,
            catalog_files=job.catalog_files,
            compared_fields=job.compared_fields,
            warnings=job.warnings,
        )


class JobsAnswer(Shape):
    """A page of jobs, the newest inventory first."""

    jobs: list[JobAnswer]
    another_page: bool = Field(description="whether there are more", examples=[False])
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last", examples=[None])
