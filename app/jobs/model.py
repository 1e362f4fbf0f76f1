"""A job as the service knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

EngineName = Literal["postgres", "duckdb", "spark"]
EngineChoice = Literal["auto", "postgres", "duckdb", "spark"]
JobStatus = Literal["getting S3 list", "staged", "generating reports", "error", "success"]


@dataclass(frozen=True, slots=True)
class Totals:
    """How many findings of each kind."""

    phantom: int
    orphan: int
    catalog_mismatch: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the job's run has come: `done` of `total` (None where it cannot be known) in `unit`."""

    phase: str
    done: int
    total: int | None
    unit: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """One inventory taken in and compared: a row of `reconcile_job` with its manifest, newest run and report."""

    id: int
    orca_archive_location: str
    status: JobStatus
    inventory_creation_time: datetime
    start_time: datetime
    last_update: datetime
    end_time: datetime | None
    error_message: str | None
    report_totals: Totals | None
    pending_totals: Totals | None
    published_at: datetime | None
    manifest_url: str | None
    engine: EngineName | None
    attempt: int | None
    progress: Progress | None
    inventory_objects: int | None
    catalog_files: int | None
    compared_fields: list[str] | None
    warnings: list[str]

    @property
    def ended(self) -> bool:
        """Whether nothing is queued or running for it and nothing more will happen by itself."""
        return self.progress is None and self.status in {"error", "success"}

    @property
    def reports_are_older(self) -> bool:
        """Whether its reports are those of an earlier run than its newest, which failed or has published none yet."""
        return self.published_at is not None and self.status != "success"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked, for the log and the run's row."""

    name: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt of one run, claimed by this process.

    `take_in`: read the manifest's files; else compare what is staged. `reconcile`: false stops when staged.
    `staged_objects`: how many an earlier run of the job staged, where that was ours.
    """

    id: int
    job_id: int
    orca_archive_location: str
    inventory_creation_time: datetime
    engine: EngineName
    reconcile: bool
    take_in: bool
    force: bool
    attempt: int
    failures: int
    last_error: str | None
    manifest_url: str | None
    manifest_md5: str | None
    compared_fields: list[str] | None
    staged_objects: int | None
