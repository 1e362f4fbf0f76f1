"""The commands of `orca-reconcile`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import secrets
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer
from rich.markup import escape

from app import daemons, logs
from app.commands import jobs, reports
from app.db.retry import may_pass
from app.db.unready import unready
from app.errors import DatabaseNotReady, ReconcileError
from app.jobs import retention
from app.jobs.reasons import reason, unexplained
from app.jobs.retention import Expired, expired
from app.memory import be_modest
from app.settings import ApiToken, Scope, read_settings
from app.terminal import bar, err, out

ERROR = 2

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Compare S3 Inventory reports with an archive's catalog.",
)
catalog = typer.Typer(no_args_is_help=True, help="The catalog of an archive that does not come from ORCA itself.")
for commands in (daemons, jobs, reports):
    app.add_typer(commands.app)
app.add_typer(catalog, name="catalog")
token = typer.Typer(no_args_is_help=True, help="The bearer tokens that let callers in.")
app.add_typer(token, name="token")


class Format(StrEnum):
    """The formats in which S3 writes inventories."""

    CSV = "csv"
    ORC = "orc"
    PARQUET = "parquet"


def main() -> None:
    """Run the command line; an error is a sentence on standard error and exit code 2.

    A trace goes to the log, a line before the sentence, where that cannot say what is wrong.
    """
    be_modest()
    logs.configure(logging.ERROR)  # those that go on until stopped tell more
    try:
        app()
    except ReconcileError as error:
        fail(error.title, str(error))
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not try to write the rest when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ERROR)
    except Exception as error:  # noqa: BLE001  (whatever it is, exit code 1 would say that there are findings)
        if not_ready := unready(error):
            fail(not_ready.title, str(not_ready))
        if may_pass(error):
            fail(DatabaseNotReady.title, f"The database cannot be reached or does not answer: {error}")
        if unexplained(error):
            structlog.get_logger().error("command failed", exc_info=error)
        fail(ReconcileError.title, reason(error))


def fail(title: str, text: str) -> NoReturn:
    """Say what is wrong, and end."""
    err.print(f"[red]{title}:[/red] {escape(text)}", highlight=False, soft_wrap=True)
    sys.exit(ERROR)


@app.command()
def migrate() -> None:
    """Create the service's tables, or adopt ORCA's database as it is."""
    from app.db.migrations import upgrade  # noqa: PLC0415  (the other commands start quicker without it)
    from app.db.opening import open_database  # noqa: PLC0415  (the same)

    async def run() -> None:
        async with open_database(read_settings()) as database:
            await upgrade(database)

    asyncio.run(run())
    out.print("The database is at the newest version.")


@catalog.command("load")
def catalog_load(file: Annotated[Path, typer.Argument(help="CSV with a header, or Parquet.")]) -> None:
    """Load a catalog from a file; what is there already is updated."""
    from app.catalog.load import load_catalog  # noqa: PLC0415  (the other commands start quicker without it)
    from app.db.opening import open_database  # noqa: PLC0415  (the same)

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
def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and leave it.")] = False,  # noqa: FBT002
) -> None:
    """Delete jobs and reports that are older than RECONCILE_RETENTION_DAYS."""
    from app.db.opening import open_database  # noqa: PLC0415  (the other commands start quicker without it)

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
