"""The commands of `orca-reconcile`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app import daemons
from app.catalog.load import load_catalog
from app.daemons import read_settings
from app.db.migrations import upgrade
from app.db.opening import open_database
from app.errors import ReconcileError
from app.jobs import retention
from app.jobs.model import EngineChoice, Job
from app.jobs.requests import submit
from app.jobs.retention import Expired, expired
from app.jobs.runner import Runner
from app.jobs.store import get_job
from app.memory import be_modest
from app.reports.findings import KINDS
from app.reports.pages import Report
from app.settings import ApiToken, Scope, Settings
from app.terminal import bar, err, findings_table, out, show_progress, totals

ERROR = 2
FOLLOW_INTERVAL_S = 0.2
PAGE = 1000

app = typer.Typer(no_args_is_help=True, help="Compare S3 Inventory reports with an archive's catalog.")
catalog = typer.Typer(no_args_is_help=True, help="The catalog of an archive that does not come from ORCA itself.")
app.add_typer(daemons.app)
app.add_typer(catalog, name="catalog")
token = typer.Typer(no_args_is_help=True, help="The bearer tokens that let callers in.")
app.add_typer(token, name="token")


class Format(StrEnum):
    """The formats in which S3 writes inventories."""

    CSV = "csv"
    ORC = "orc"
    PARQUET = "parquet"


class Kind(StrEnum):
    """The three reports."""

    PHANTOMS = "phantoms"
    ORPHANS = "orphans"
    MISMATCHES = "mismatches"


def main() -> None:
    """Run the command line; an error that a person can act on is a sentence and exit code 2."""
    be_modest()
    try:
        app()
    except ReconcileError as error:
        err.print(f"[red]{error.title}:[/red] {error}", highlight=False)
        sys.exit(ERROR)


@app.command()
def migrate() -> None:
    """Create the service's tables, or adopt ORCA's database as it is."""

    async def run() -> None:
        async with open_database(read_settings()) as database:
            await upgrade(database)

    asyncio.run(run())
    out.print("The database is at the newest version.")


@catalog.command("load")
def catalog_load(file: Annotated[Path, typer.Argument(help="CSV with a header, or Parquet.")]) -> None:
    """Load a catalog from a file; what is there already is updated."""

    async def run() -> int:
        async with open_database(read_settings()) as database:
            return await load_catalog(database, file)

    with bar() as progress:
        progress.add_task(f"loading {file.name}", total=None, amount="")
        files = asyncio.run(run())
    out.print(f"Loaded {files:,} files into the catalog.")


@app.command()
def generate(
    files: Annotated[int, typer.Option(min=1, help="How many files the catalog has, about.")],
    out_: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    format_: Annotated[Format, typer.Option("--format", help="Format of the inventory's files.")] = Format.CSV,
    bucket: Annotated[str, typer.Option(help="The archive location.")] = "orca-archive",
    findings: Annotated[float, typer.Option(min=0, max=1, help="Which fraction of the files differs.")] = 0.0035,
) -> None:
    """Write a catalog, an inventory and the findings that a reconciliation of the two has to give."""
    from app.samples.generate import generate as write  # noqa: PLC0415  (the other commands start quicker without it)

    with bar() as progress:
        task = progress.add_task("generating", total=files, amount="")
        expected = write(
            files,
            out_,
            seed,
            format_.value,
            bucket=bucket,
            findings=findings,
            progress=lambda done: progress.update(task, completed=done),
        )
    out.print(f"Wrote {out_}: {expected.totals}")


@app.command()
def reconcile(
    manifest: Annotated[str, typer.Argument(help="Path or URL (s3://, file:///) of a manifest.json.")],
    engine: Annotated[EngineChoice, typer.Option(help="auto, postgres, duckdb or spark.")] = "auto",
    force: Annotated[bool, typer.Option(help="Publish in spite of suspicion.")] = False,  # noqa: FBT002
) -> None:
    """Take a manifest in and reconcile it here and now, and print the totals."""
    url = manifest if "://" in manifest else Path(manifest).absolute().as_uri()
    settings = read_settings()
    # Whoever runs a command chooses its path: the prefixes guard what callers of the HTTP API may name.
    chosen = "file:///" if url.startswith("file:") else "/".join(url.split("/", 3)[:3]) + "/"
    settings = settings.model_copy(update={"manifest_prefixes": (*settings.prefixes, chosen)})
    job = asyncio.run(_reconcile(settings, url, engine, force=force))
    if job.status == "error":
        raise ReconcileError(f"Job {job.id} ended in error: {job.error_message}")
    out.print(totals(job))
    for warning in job.warnings:
        err.print(f"[yellow]{warning}[/yellow]")


async def _reconcile(settings: Settings, url: str, engine: EngineChoice, *, force: bool) -> Job:
    async with open_database(settings) as database, Runner(database, settings):
        job, _ = await submit(database, settings, manifest_url=url, engine=engine, rerun=True, force=force)
        with bar() as progress:
            task = progress.add_task("queued", total=None, amount="")
            while not job.ended:
                await asyncio.sleep(FOLLOW_INTERVAL_S)
                async with database.reading() as connection:
                    job = await get_job(connection, job.id)
                show_progress(progress, task, job)
        return job


@app.command()
def report(
    job: Annotated[int, typer.Argument(help="The job's id.")],
    kind: Annotated[Kind, typer.Argument(help="Which of its reports.")],
    limit: Annotated[int, typer.Option(min=1, help="How many findings at most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object for each finding and line.")] = False,  # noqa: FBT002
) -> None:
    """Print the findings of a job."""
    rows = asyncio.run(_findings(read_settings(), Report(KINDS[kind], job, read_settings().grace), limit))
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        out.print(findings_table(kind, rows))


async def _findings(settings: Settings, wanted: Report, limit: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    cursor: str | None = None
    async with open_database(settings) as database, database.reading() as connection:
        while len(found) < limit:
            page = await wanted.page(connection, limit=min(PAGE, limit - len(found)), cursor=cursor)
            found += json.loads(b"[" + page.items + b"]")
            cursor = page.next_cursor
            if cursor is None:
                break
    return found


@app.command()
def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and leave it.")] = False,  # noqa: FBT002
) -> None:
    """Delete jobs and reports that are older than RECONCILE_RETENTION_DAYS."""

    async def run() -> list[Expired]:
        settings = read_settings()
        async with open_database(settings) as database:
            return await (expired if dry_run else retention.purge)(database, settings.retention_days)

    jobs = asyncio.run(run())
    for job in jobs:
        out.print(f"job {job.id}: {job.orca_archive_location}, inventory of {job.inventory_creation_time:%Y-%m-%d}")
    out.print(f"{len(jobs)} jobs {'would be' if dry_run else 'were'} purged.")


@token.command("new")
def token_new(
    name: Annotated[str, typer.Option(help="Who or what will hold it; the log names it.")],
    scope: Annotated[list[Scope], typer.Option(help="read, write, or both.")],
) -> None:
    """Make a token, and the entry of RECONCILE_API_TOKENS by which the service knows it."""
    text = secrets.token_urlsafe(32)
    entry = ApiToken(name=name, sha256=hashlib.sha256(text.encode()).hexdigest(), scopes=frozenset(scope))
    sys.stdout.write(f"token: {text}\nentry: {entry.model_dump_json()}\n")


@app.command()
def openapi() -> None:
    """Print the OpenAPI document of the HTTP API."""
    from app.main import openapi_document  # noqa: PLC0415  (the other commands start quicker without it)

    sys.stdout.write(json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
