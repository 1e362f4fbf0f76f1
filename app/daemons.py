"""The commands that go on until they are stopped: serve, work, watch, consume."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from typing import Annotated

import typer

from app import logs
from app.errors import Misconfigured, ReconcileError
from app.inventory.locations import url_of
from app.listening import require_free
from app.settings import LOOPBACK, read_settings
from app.terminal import out

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
) -> None:
    """Serve the HTTP API and work on jobs."""
    from app.main import create_app  # noqa: PLC0415  (the other commands start quicker without it)
    from app.serving import run  # noqa: PLC0415  (the same)

    settings = read_settings()
    if host not in LOOPBACK and not settings.guarded:
        raise Misconfigured(
            f"Anybody who reaches {host} could read and change the reports: "
            "set RECONCILE_API_TOKENS or RECONCILE_OIDC_ISSUER, or listen on 127.0.0.1."
        )
    settings.spool.mkdir(parents=True, exist_ok=True)
    logs.configure()
    run(create_app(settings), host, port)


@app.command()
def work(
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port on which Prometheus may read what this process did; else none."),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(help="Address for that; it asks for no token, and names no file.")
    ] = "127.0.0.1",
) -> None:
    """Work on jobs without serving HTTP, until stopped."""
    from prometheus_client import start_http_server  # noqa: PLC0415  (the other commands start quicker without it)

    from app import tracing  # noqa: PLC0415  (the same)
    from app.db.alongside import alongside  # noqa: PLC0415  (the same)
    from app.db.opening import open_database  # noqa: PLC0415  (the same)
    from app.jobs.retention import keep_purging  # noqa: PLC0415  (the same)
    from app.jobs.runner import Runner  # noqa: PLC0415  (the same)

    async def run() -> None:
        stop = _stop_signals()
        settings = read_settings()
        with tracing.exporting():
            async with (
                open_database(settings) as database,
                Runner(database, settings),
                alongside(keep_purging(database, settings.retention_days)),
            ):
                await stop.wait()

    logs.configure()
    if metrics_port is not None:
        require_free(metrics_host, metrics_port)
        start_http_server(metrics_port, metrics_host)
    asyncio.run(run())


def _stop_signals() -> asyncio.Event:
    """Give an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    return stop


def _time(text: str) -> datetime:
    """Read a date or time of ISO 8601. A bare number might be a day, or seconds since 1970."""
    try:
        time = datetime.fromisoformat("a number" if text.isdigit() else text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"{text!r} is no time such as 2024-05-06, 2024-05-06T01:00 (in UTC) or 2024-05-06T01:00+02:00."
        ) from error


@app.command()
def watch(
    prefix: Annotated[str, typer.Argument(help="Folder or URL (s3://, file:///) to which S3 delivers inventories.")],
    interval: Annotated[float, typer.Option(min=1, help="Seconds from one look to the next.")] = 60,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=_time,
            metavar="TIME",
            help="Take in what was made since then (ISO 8601, in UTC unless it says otherwise) "
            "rather than what is newer than all that is known.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,  # noqa: FBT002
) -> None:
    """Submit every new manifest under a folder or bucket, until stopped; `serve` or `work` does the work.

    With `--once`, exit code 2 says that some were refused.
    """
    from app.arrival.watcher import Watcher  # noqa: PLC0415  (the other commands start quicker without it)
    from app.db.opening import open_database  # noqa: PLC0415  (the same)

    settings = read_settings()
    url = url_of(prefix)

    async def run() -> None:
        stop = _stop_signals()
        async with open_database(settings) as database:
            watcher = Watcher(database, settings, url, since=since, interval=interval)
            if not once:
                await watcher.run(stop)
                return
            found = await watcher.once(stop)
        out.print(f"{found.submitted} submitted, {found.refused} refused, {found.waiting} without their checksum yet.")
        if found.refused:
            raise ReconcileError("Not every manifest could be taken; the log says which ones, and why.")

    logs.configure()
    asyncio.run(run())


@app.command()
def consume(
    queue_url: Annotated[str, typer.Option("--queue-url", help="URL of the SQS queue.")],
) -> None:
    """Submit every manifest that a queue announces, until stopped; `serve` or `work` does the work."""
    try:
        from app.arrival.consumer import Consumer  # noqa: PLC0415  (boto3 is an extra)
        from app.arrival.queue import Queue  # noqa: PLC0415  (the same)
    except ModuleNotFoundError as error:
        raise Misconfigured("Queues need boto3: pip install 'orca-reconcile[sqs]'.") from error

    from app.db.opening import open_database  # noqa: PLC0415  (the other commands start quicker without it)

    async def run() -> None:
        stop = _stop_signals()
        settings = read_settings()
        async with open_database(settings) as database, Queue.at(queue_url) as queue:
            await Consumer(database, settings, queue).run(stop)

    logs.configure()
    asyncio.run(run())
