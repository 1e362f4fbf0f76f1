"""The commands about jobs: list them, and have a manifest reconciled."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Annotated

import typer

from app.api.job_shapes import JobAnswer, SubmitRequest
from app.client.service import PAGE, Service
from app.commands.asking import FOUND, AsJson, Url, service_at
from app.errors import ReconcileError
from app.inventory.locations import parse_location, url_of
from app.jobs.model import EngineChoice, JobStatus
from app.settings import read_settings
from app.terminal import bar, err, jobs_table, out, show_progress, totals

app = typer.Typer()


@app.command()
def jobs(
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs that stand so.")] = None,
    archive_location: Annotated[str | None, typer.Option(help="Only jobs of this bucket.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=PAGE, help="How many jobs at most.")] = 20,
    url: Url = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """List jobs, the newest inventory first."""

    async def run() -> list[JobAnswer]:
        async with service_at(url) as service:
            return await service.jobs(status=status, archive_location=archive_location, limit=limit)

    found = asyncio.run(run())
    if as_json:
        for job in found:
            sys.stdout.write(job.model_dump_json(by_alias=True) + "\n")
    else:
        out.print(jobs_table(found))


@app.command()
def reconcile(
    manifest: Annotated[str, typer.Argument(help="Path or URL (s3://, file:///) of a manifest.json.")],
    engine: Annotated[EngineChoice, typer.Option(help="auto, postgres, duckdb or spark.")] = "auto",
    force: Annotated[bool, typer.Option(help="Publish in spite of suspicion.")] = False,  # noqa: FBT002
    follow: Annotated[bool, typer.Option(help="Wait for the end; else only submit it.")] = True,  # noqa: FBT002
    url: Url = None,
) -> None:
    """Have a manifest reconciled, here or by a service elsewhere, and print the totals.

    Exit code 1 says that there are findings.
    """
    location = url_of(manifest)
    parse_location(location)  # first: what is wrong with it is no fault of the settings
    asked = SubmitRequest(manifest_url=location, engine=engine, rerun=True, force=force)

    async def run() -> JobAnswer:
        async with _working_here(location) if follow and url is None else service_at(url) as service:
            job = await service.submit(asked)
            if not follow:
                return job
            try:
                return await _followed(service, job)
            except asyncio.CancelledError:
                err.print(f"Job {job.id} {'was cancelled' if url is None else 'goes on'}.")
                raise

    job = asyncio.run(run())
    if not follow:
        out.print(f"Job {job.id} is queued.")
        return
    if job.status == "error":
        raise ReconcileError(f"Job {job.id} ended in error: {job.error_message}")
    out.print(totals(job))
    for warning in job.warnings:
        err.print(f"[yellow]{warning}[/yellow]")
    if job.report_totals and any(job.report_totals.model_dump().values()):
        raise typer.Exit(FOUND)


def _working_here(location: str) -> AbstractAsyncContextManager[Service]:
    """Open the local service. It may read what its caller chose: the prefixes guard what callers over HTTP name."""
    from app.client.local import LocalService  # noqa: PLC0415  (whoever asks elsewhere need not wait for it)

    settings = read_settings()
    chosen = "file:///" if location.startswith("file:") else "/".join(location.split("/", 3)[:3]) + "/"
    return LocalService.on(settings.model_copy(update={"manifest_prefixes": (*settings.prefixes, chosen)}), work=True)


async def _followed(service: Service, job: JobAnswer) -> JobAnswer:
    """Show how far the job is until it has ended."""
    with bar() as progress:
        task = progress.add_task("queued", total=None, amount="")
        async with aclosing(service.follow(job.id)) as states:
            async for state in states:
                show_progress(progress, task, state)
                job = state
    return job
