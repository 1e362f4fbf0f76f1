"""How the commands show things in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.jobs.model import Job

SHOWN = {
    "phantoms": ("collectionId", "granuleId", "keyPath", "orcaSizeInBytes", "comment"),
    "orphans": ("keyPath", "s3SizeInBytes", "s3StorageClass", "comment"),
    "mismatches": ("collectionId", "granuleId", "keyPath", "discrepancyType", "comment"),
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
    )


def show_progress(progress: Progress, task: TaskID, job: Job) -> None:
    """Bring the bar to where the job is."""
    if job.progress is None:
        return
    at = job.progress
    amount = f"{at.done:,}" + (f" of {at.total:,}" if at.total else "") + f" {at.unit or ''}"
    progress.update(task, description=at.phase, completed=at.done, total=at.total, amount=amount)


def totals(job: Job) -> Table:
    """Lay out a job's totals."""
    table = Table(
        title=f"Job {job.id}: {job.orca_archive_location}, "
        f"inventory of {job.inventory_creation_time:%Y-%m-%d %H:%M} UTC"
    )
    for heading in ("", "findings", "of these pending"):
        table.add_column(heading, justify="left" if not heading else "right")
    found, pending = job.report_totals, job.pending_totals
    if found and pending:
        table.add_row("phantoms (in the catalog, not in S3)", f"{found.phantom:,}", f"{pending.phantom:,}")
        table.add_row("orphans (in S3, not in the catalog)", f"{found.orphan:,}", f"{pending.orphan:,}")
        table.add_row(
            "mismatches (in both, but different)", f"{found.catalog_mismatch:,}", f"{pending.catalog_mismatch:,}"
        )
    if job.inventory_objects is not None and job.catalog_files is not None:
        table.caption = f"{job.inventory_objects:,} objects in S3, {job.catalog_files:,} files in the catalog"
    return table


def findings_table(kind: str, rows: list[dict[str, object]]) -> Table:
    """Lay out findings, in the columns that tell most; `--json` has them all."""
    table = Table(title=kind)
    for column in SHOWN[kind]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if row[column] is None else str(row[column]) for column in SHOWN[kind]))
    return table
