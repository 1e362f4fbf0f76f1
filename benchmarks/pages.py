"""What a page of a large report costs, alone and while a run is on."""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta

from app.compare.summary import summarise
from app.db.engine import Database
from app.db.queries import Queries
from app.reports.findings import MISMATCHES
from app.reports.pages import Report
from benchmarks.cache import Sample, folder
from benchmarks.http_client import Connection, rate
from benchmarks.results import Figure, Row, Section
from benchmarks.server import Server
from benchmarks.service import Service, process, running

SQL = Queries("benchmarks", "pages.sql")
FINDINGS = 1_000_000
PAGE = 100
REQUESTS = 500
WARM_UP = 20
ROUNDS = 9
ROUND_S = 1.5
OFFSET_READS = 5
PAUSE_S = 0.005


async def measure(server: Server, csv: Sample) -> Section:
    """Measure pages of a report of a million mismatches."""
    gc.freeze()  # this process's own pauses, of a tenth of a second, are none of the service's
    job_id = await _report(server)
    paths = {
        "first": await _path(server, job_id, 0),
        "middle": await _path(server, job_id, FINDINGS // 2),
        "last": await _path(server, job_id, FINDINGS - PAGE),
    }
    async with running(server, prefix=csv.folder) as service:
        connection = await Connection.to(service.address)
        body = await connection.get(paths["middle"])
        times = await _in_turns(connection, paths)
        connection.close()
        medians = {name: statistics.median(taken) for name, taken in times.items()}
        offset_first = await _offset(server, job_id, 0)
        offset_last = await _offset(server, job_id, FINDINGS - PAGE)
        during = await _while_running(service, paths["middle"], csv)
        rates = await _rates(service, paths["middle"], body)
    ratios = sorted(page / bare for bare, page in rates)
    in_order = sorted(during)
    p99 = in_order[int(len(in_order) * 0.99)]
    return Section.now(
        "pages",
        [
            *(
                Row.of_value(
                    f"{name} page of {PAGE}, median over HTTP (slowest)", f"{_ms(medians[name])} ({_ms(max(taken))})"
                )
                for name, taken in times.items()
            ),
            Row.of_value("first page with OFFSET, query alone, median", _ms(offset_first)),
            Row.of_value("last page with OFFSET, query alone, median", _ms(offset_last)),
            Row.of_value(
                f"middle page, one worker, {len(body):,} bytes, median of {ROUNDS} rounds",
                f"{statistics.median(page for _, page in rates):,.0f} requests/s",
            ),
            Row.of_value(
                "bare FastAPI route, the same bytes, in turns with it",
                f"{statistics.median(bare for bare, _ in rates):,.0f} requests/s",
            ),
            Row.of_value("page over bare route, least and most of the rounds", f"{ratios[0]:.2f} to {ratios[-1]:.2f}"),
            Row.of_value(
                "middle page while a run is on: median, 99 %, slowest",
                f"{_ms(statistics.median(during))}, {_ms(p99)}, {_ms(in_order[-1])} of {len(during):,} requests",
            ),
        ],
        [
            Figure.at_most("last page over first page", medians["last"] / medians["first"], 1.3, 1.0),
            Figure.at_least("last page against OFFSET paging", offset_last / medians["last"], 300, 1000),
            Figure.at_least(
                "requests/s of a page over the bare route, median of rounds", statistics.median(ratios), 0.25, 0.4
            ),
            Figure.at_most(
                "slowest page while a run is on, over the median when idle", in_order[-1] / medians["middle"], 10, 3
            ),
        ],
    )


async def _report(server: Server) -> int:
    """Make the report, or find that of an earlier run."""
    database = Database.at(server.url)
    try:
        async with database.transaction() as connection:
            found = (await connection.execute(SQL["job"], {"findings": FINDINGS})).scalar_one_or_none()
        if found is not None:
            return int(found)
        print(f"making a report of {FINDINGS:,} findings", flush=True)
        async with database.snapshot() as connection:
            job_id = int((await connection.execute(SQL["new_job"])).scalar_one())
            await connection.execute(SQL["findings"], {"job_id": job_id, "findings": FINDINGS})
            await summarise(
                connection,
                job_id=job_id,
                engine="duckdb",
                pending_from=datetime.now(UTC),
                inventory_objects=FINDINGS,
                catalog_files=FINDINGS,
                compared_fields=("etag", "size_in_bytes", "storage_class"),
                warnings=(),
            )
        async with database.reading() as connection:
            await connection.execute(SQL["analyze"])
        return job_id
    finally:
        await database.dispose()


async def _path(server: Server, job_id: int, place: int) -> str:
    """Give the path of the page that begins at a place."""
    path = f"/reports/{job_id}/{MISMATCHES.name}?limit={PAGE}"
    if place == 0:
        return path
    database = Database.at(server.url)
    async with database.reading() as connection:
        row = (await connection.execute(SQL["key_at"], {"job_id": job_id, "place": place - 1})).one()
    await database.dispose()
    return f"{path}&cursor={Report(MISMATCHES, job_id, timedelta(0)).listing().cursor(tuple(row))}"


async def _offset(server: Server, job_id: int, place: int) -> float:
    database = Database.at(server.url)
    times = []
    async with database.reading() as connection:
        for _ in range(OFFSET_READS):
            start = time.perf_counter()
            (await connection.execute(SQL["offset_page"], {"job_id": job_id, "place": place})).all()
            times.append(time.perf_counter() - start)
    await database.dispose()
    return statistics.median(times)


async def _while_running(service: Service, path: str, csv: Sample) -> list[float]:
    """Read pages, one at a time with a pause, for as long as a run of the duckdb engine lasts."""
    connection = await Connection.to(service.address)
    times = []
    async with service.run(csv.manifest, "duckdb") as run:
        while not run.done():
            times.append(await connection.seconds(path))
            await asyncio.sleep(PAUSE_S)
    connection.close()
    return times


async def _in_turns(connection: Connection, paths: dict[str, str]) -> dict[str, list[float]]:
    """Time requests for each page in turns, so that whatever else the machine does meets all of them alike."""
    for path in list(paths.values()) * WARM_UP:
        await connection.get(path)
    times: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(REQUESTS):
        for name, path in paths.items():
            times[name].append(await connection.seconds(path))
    return times


async def _rates(service: Service, path: str, body: bytes) -> list[tuple[float, float]]:
    """Give the rates of the bare route and of the page, round by round.

    The two of a round follow each other at once and are held against each other: what slows a machine down for longer
    than a round slows both. A first round warms up.
    """
    saved = folder("service") / "page.json"
    saved.write_bytes(body)
    arguments = [sys.executable, "-m", "uvicorn", "benchmarks.bare:app", "--port", "0", "--no-access-log"]
    env = {**os.environ, "BENCH_BODY": str(saved)}
    with process(arguments, folder("logs") / "bare.log", env) as (_, address):
        rounds = [
            (await rate(address, "/page", seconds=ROUND_S), await rate(service.address, path, seconds=ROUND_S))
            for _ in range(1 + ROUNDS)
        ]
    return rounds[1:]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.2f} ms"
