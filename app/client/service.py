"""What a command may ask of the service, wherever that is."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Protocol

from app.api.job_shapes import JobAnswer, SubmitRequest
from app.jobs.model import JobStatus
from app.reports.change_pages import Change

PAGE = 1000
"""How many items are asked for at a time."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A job to compare with an earlier one (None: the success before), and of what `kind` to list changes, if any."""

    job_id: int
    against: int | None = None
    kind: str | None = None
    change: Change = "new"
    min_jobs: int = 1


class Service(Protocol):
    """What can be asked. Whatever is refused is a `ReconcileError` whose text a person can act on."""

    async def submit(self, asked: SubmitRequest) -> JobAnswer:
        """Submit a manifest."""

    def follow(self, job_id: int) -> AsyncGenerator[JobAnswer, None]:
        """Give the job as it is now, then each new state of it, until it has ended."""

    async def jobs(self, *, status: JobStatus | None, archive_location: str | None, limit: int) -> list[JobAnswer]:
        """List up to 1,000 jobs, the newest inventory first."""

    def findings(self, job_id: int, kind: str) -> AsyncGenerator[bytes, None]:
        """Give a whole report in chunks of whole lines, each line the JSON of a finding."""

    async def changes(self, asked: Compare, cursor: str | None) -> dict[str, Any]:
        """Compare two jobs, and give the page of changes after `cursor`: the answer of `GET /reports/{id}/changes`."""


def has_ended(job: JobAnswer) -> bool:
    """Tell whether nothing more will happen to a job by itself."""
    return job.progress is None and job.status in {"error", "success"}
