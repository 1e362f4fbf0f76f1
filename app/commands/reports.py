"""The commands about reports: print one, and what changed since an earlier one."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from itertools import islice
from typing import Annotated, Any

import msgspec
import orjson
import typer

from app.client.service import Compare, Service
from app.commands.asking import FOUND, AsJson, JobNumber, Kind, Url, service_at
from app.jobs.store import INT8_MAX
from app.reports.change_pages import MOST_JOBS, Change
from app.reports.findings import KINDS, finding_type
from app.terminal import changes_table, err, findings_table, out

app = typer.Typer()

SHOWN_ROWS = 100
"""How many findings a table shows unless more are asked for."""

Limit = Annotated[
    int | None, typer.Option(min=1, help=f"How many findings at most; else all, and {SHOWN_ROWS} in a table.")
]


@app.command()
def report(
    job: JobNumber,
    kind: Annotated[Kind, typer.Argument(help="Which of its reports.")],
    limit: Limit = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header, all columns.")] = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
    url: Url = None,
) -> None:
    """Print the findings of a job: a table, CSV or JSON. Exit code 1 says that there are some."""
    if as_csv and as_json:
        raise typer.BadParameter("choose --csv or --json")

    async def run() -> int:
        async with service_at(url) as service:
            shown = limit or SHOWN_ROWS
            most = limit if as_csv or as_json else shown + 1
            # Closed in any case: whoever reads our output may have seen enough of it.
            async with aclosing(_lines(service, job, kind, most)) as lines:
                if as_csv:
                    return await _print_csv(kind, lines)
                if as_json:
                    return await _print_json(lines)
                return await _print_table(kind, lines, shown)

    if asyncio.run(run()):
        raise typer.Exit(FOUND)


async def _lines(service: Service, job: int, kind: str, limit: int | None) -> AsyncGenerator[list[bytes]]:
    """Give the findings' JSON texts, some at a time, up to `limit` of them."""
    left = limit
    async with aclosing(service.findings(job, kind)) as chunks:
        async for chunk in chunks:
            lines = list(islice(chunk.split(b"\n")[:-1], left))
            yield lines
            left = None if left is None else left - len(lines)
            if left == 0:
                return


async def _print_csv(kind: Kind, chunks: AsyncIterator[list[bytes]]) -> int:
    from app.reports.encodings import CsvEncoder  # noqa: PLC0415  (the other commands start quicker without it)

    encoder, printed = CsvEncoder(KINDS[kind], spreadsheet=False), 0
    decoder = msgspec.json.Decoder(finding_type(KINDS[kind].columns))
    async for lines in chunks:
        if lines:
            sys.stdout.buffer.write(encoder.chunk([decoder.decode(line) for line in lines]))
        printed += len(lines)
    sys.stdout.buffer.write(encoder.end())
    return printed


async def _print_json(chunks: AsyncIterator[list[bytes]]) -> int:
    printed = 0
    async for lines in chunks:
        sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))
        printed += len(lines)
    return printed


async def _print_table(kind: Kind, chunks: AsyncIterator[list[bytes]], limit: int) -> int:
    rows: list[dict[str, Any]] = [orjson.loads(line) async for lines in chunks for line in lines]
    out.print(findings_table(kind, rows[:limit]))
    if len(rows) > limit:
        err.print(f"These are the first {limit:,}; there are more: --limit, --csv or --json.")
    return len(rows)


@app.command()
def changes(
    job: JobNumber,
    kind: Annotated[Kind | None, typer.Argument(help="List these; else print totals alone.")] = None,
    change: Annotated[Change, typer.Option(help="Which of them to list.")] = "new",
    against: Annotated[
        int | None, typer.Option(min=1, max=INT8_MAX, help="An earlier job; else the success before.")
    ] = None,
    min_jobs: Annotated[
        int, typer.Option(min=1, max=MOST_JOBS, help="List what was seen in that many consecutive jobs, at least.")
    ] = 1,
    limit: Limit = None,
    as_json: AsJson = False,  # noqa: FBT002
    url: Url = None,
) -> None:
    """Print what is new, resolved and persisting since an earlier job of the same archive location.

    Exit code 1 says that something is new or, with KIND, that something was listed.
    """
    asked = Compare(job, against, kind and kind.value, change, min_jobs)
    shown = limit or SHOWN_ROWS
    most = limit if as_json else shown + 1

    async def run() -> tuple[dict[str, Any], list[dict[str, Any]], int]:
        """Read page after page; JSON is printed as it comes, and what a table shows is given back."""
        rows: list[dict[str, Any]] = []
        listed, cursor = 0, None
        async with service_at(url) as service:
            while True:
                answer = await service.changes(asked, cursor)
                items = answer[kind][: None if most is None else most - listed] if kind else []
                listed += len(items)
                if as_json:
                    sys.stdout.writelines(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
                else:
                    rows += items
                cursor = answer.get("nextCursor")
                if cursor is None or listed == most:
                    return answer, rows, listed

    answer, rows, listed = asyncio.run(run())
    if kind is None:
        if as_json:
            sys.stdout.write(json.dumps(answer) + "\n")
        else:
            out.print(changes_table(answer))
        found = any(of_kind["new"] for of_kind in answer["totals"].values())
    else:
        if not as_json:
            out.print(findings_table(kind, rows[:shown], f"{change} {kind.value}", since=True))
        if len(rows) > shown:
            err.print(f"These are the first {shown:,}; there are more: --limit or --json.")
        found = listed > 0
    if found:
        raise typer.Exit(FOUND)
