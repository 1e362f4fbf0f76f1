"""How the commands show things in a terminal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.api.job_shapes import FindingTotals, JobAnswer
from app.api.shape import EPOCH

SHOWN = {
    "phantoms": ("collectionId", "granuleId", "keyPath", "orcaSizeInBytes", "comment"),
    "orphans": ("keyPath", "s3SizeInBytes", "s3StorageClass", "comment"),
    "mismatches": ("collectionId", "granuleId", "keyPath", "discrepancyType", "comment"),
}
KINDS = {
    "phantom": "phantoms (in the catalog, not in S3)",
    "orphan": "orphans (in S3, not in the catalog)",
    "catalogMismatch": "mismatches (in both, but different)",
}

out = Console()
err = Console(stderr=True)


def bar() -> Progress:
    """Make a progress bar on standard error; nothing is drawn where that is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def show_progress(progress: Progress, task: TaskID, job: JobAnswer) -> None:
    """Bring the bar to where the job is."""
    if job.progress is None:
        return
    at = job.progress
    amount = f"{at.done:,}" + (f" of {at.total:,}" if at.total else "") + f" {at.unit or ''}"
    progress.update(task, description=at.phase, completed=at.done, total=at.total, amount=amount)


def day_and_time(milliseconds: int) -> str:
    """Write a time out to the minute, in UTC."""
    return f"{EPOCH + timedelta(milliseconds=milliseconds):%Y-%m-%d %H:%M}"


def jobs_table(jobs: list[JobAnswer]) -> Table:
    """Lay out jobs, one a row."""
    table = Table(title="jobs")
    for heading in ("id", "archive location", "inventory (UTC)", "status", "phantoms", "orphans", "mismatches"):
        right = heading == "id" or heading in SHOWN
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for job in jobs:
        table.add_row(
            str(job.id),
            escape(job.orca_archive_location),
            day_and_time(job.inventory_creation_time),
            escape(_standing(job)),
            *(_number(job.report_totals, name) for name in ("phantom", "orphan", "catalog_mismatch")),
        )
    return table


def _standing(job: JobAnswer) -> str:
    if job.progress is not None:
        share = f" {job.progress.done / job.progress.total:.0%}" if job.progress.total else ""
        return f"{job.status}: {job.progress.phase}{share}"
    return f"{job.status}: {job.error_message}" if job.error_message else job.status


def _number(totals: FindingTotals | None, name: str) -> str:
    return "" if totals is None else f"{getattr(totals, name):,}"


def totals(job: JobAnswer) -> Table:
    """Lay out a job's totals."""
    table = Table(
        title=f"Job {job.id}: {escape(job.orca_archive_location)}, "
        f"inventory of {day_and_time(job.inventory_creation_time)} UTC"
    )
    for heading in ("", "findings", "of these pending"):
        table.add_column(heading, justify="left" if not heading else "right")
    if job.report_totals and job.pending_totals:
        found, pending = (one.model_dump(by_alias=True) for one in (job.report_totals, job.pending_totals))
        for kind, meaning in KINDS.items():
            table.add_row(meaning, f"{found[kind]:,}", f"{pending[kind]:,}")
    if job.inventory_objects is not None and job.catalog_files is not None:
        table.caption = f"{job.inventory_objects:,} objects in S3, {job.catalog_files:,} files in the catalog"
    return table


def findings_table(kind: str, rows: list[dict[str, Any]], title: str | None = None, *, since: bool = False) -> Table:
    """Lay out findings, in the columns that tell most; `--json` has them all. `since`: and when each was first seen."""
    table = Table(title=title or kind)
    columns = [column for column in SHOWN[kind] if column != "comment" or any(row["comment"] for row in rows)]
    for column in (*columns, *(("firstSeen", "jobs") if since else ())):
        table.add_column(column, overflow="fold")
    for row in rows:
        cells = ["" if row[column] is None else escape(str(row[column])) for column in columns]
        if since:
            cells += [f"{day_and_time(row['firstSeen'])[:10]} (job {row['firstJobId']})", str(row["consecutiveJobs"])]
        table.add_row(*cells)
    return table


def changes_table(answer: dict[str, Any]) -> Table:
    """Lay out how many findings changed."""
    against = answer["againstJobId"]
    since = (
        f"job {against}, inventory of {day_and_time(answer['againstInventoryCreationTime'])} UTC" if against else "ever"
    )
    table = Table(title=f"Job {answer['jobId']}: what changed since {since}")
    for heading in ("", "new", "resolved", "persisting"):
        table.add_column(heading, justify="left" if not heading else "right")
    for kind, meaning in KINDS.items():
        table.add_row(meaning, *(f"{answer['totals'][kind][change]:,}" for change in ("new", "resolved", "persisting")))
    return table
