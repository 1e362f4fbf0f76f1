"""`make soak`: three replicas with more jobs than they can do, killed, frozen, stopped and cut off all the while.

Meanwhile jobs are cancelled and submitted again, and the catalog is rewritten in place. Ends with exit code 0 only if
the reports of every job are the expected ones and nothing is left, and writes its figures to `soak.md`. The minutes are
those of SOAK_MINUTES.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from app.db.engine import Database
from app.jobs.model import EngineChoice
from app.settings import Settings
from benchmarks.asked import Asked, Delivery
from benchmarks.deliveries import FILES, LOCATIONS, SEED, prepare
from benchmarks.faults import Faults
from benchmarks.machine import description
from benchmarks.replica import Replica
from tests.support.cluster import Cluster, cluster
from tests.support.traces import LEFT_BEHIND, TEST

REPLICAS = 3
LIVE_JOBS = 2 * REPLICAS  # at a time: a fault that finds nobody at work shows nothing
SETTINGS = {"fsync": "off", "full_page_writes": "off"}  # PostgreSQL goes down, and never the machine
RESULT = Path(__file__).parent / "soak.md"
GRACE_S = 120.0
LIVE = "SELECT count(*) FROM orca.reconcile_run WHERE state IN ('queued', 'running')"


async def soak(minutes: float, folder: Path, server: Cluster, database: Database) -> bool:
    """Keep the replicas busy for the minutes, make faults meanwhile, and judge what came of it."""
    samples = await prepare(folder, database)
    settings = Settings(data_dir=folder, manifest_prefixes=(folder.as_uri() + "/",))
    replicas = [
        Replica(
            {
                "RECONCILE_DATABASE_URL": database.url,
                "RECONCILE_DATA_DIR": str(folder / f"replica-{number}"),
                "RECONCILE_MANIFEST_PREFIXES": json.dumps(settings.prefixes),
                "RECONCILE_MEMORY_LIMIT": "200MB",
            },
            folder / f"replica-{number}.log",
        )
        for number in range(REPLICAS)
    ]
    asked = Asked(database, settings)
    faults = Faults(server, asked, replicas, random.Random(SEED))  # noqa: S311  (so that it can be repeated)
    began = time.monotonic()
    keeping = [asyncio.create_task(replica.keep()) for replica in replicas]
    disturbing = asyncio.create_task(faults.disturb())
    submitted = 0
    while time.monotonic() - began < minutes * 60:
        if await asked.value(LIVE) < LIVE_JOBS:
            round_number, location = divmod(submitted, LOCATIONS)
            sample = samples[location]
            engines: tuple[EngineChoice, ...] = ("duckdb", "postgres")
            await asked.submit(Delivery(sample, sample.manifest(round_number), engines[round_number % 2]))
            submitted += 1
        await asyncio.sleep(0.05)
    disturbing.cancel()
    await asyncio.gather(disturbing, return_exceptions=True)
    for replica in replicas:
        replica.send(signal.SIGCONT)
    if not (server.folder / "data" / "postmaster.pid").exists():  # the last fault was not over
        await asyncio.to_thread(server.start)
    until = time.monotonic() + GRACE_S
    while await asked.value(LIVE) and time.monotonic() < until:  # noqa: ASYNC110  (others end them)
        await asyncio.sleep(0.2)
    took = time.monotonic() - began
    for task in keeping:
        task.cancel()
    await asyncio.gather(*keeping, return_exceptions=True)
    return await judge(faults, minutes, took)


async def judge(faults: Faults, minutes: float, took: float) -> bool:
    """Write the figures down, and tell whether all is as it has to be."""
    asked = faults.asked
    wrong = await asked.wrong()
    succeeded = await asked.value("SELECT count(*) FROM orca.reconcile_job WHERE status_id = 5")
    attempts = await asked.value("SELECT sum(attempt) FROM orca.reconcile_run")
    failures = await asked.value("SELECT sum(failures) FROM orca.reconcile_run")
    most = await asked.value("SELECT max(attempt) FROM orca.reconcile_run")
    again = await asked.value("SELECT count(*) FROM orca.reconcile_run WHERE attempt > 1")
    async with asked.database.reading() as connection:
        left = (await connection.execute(text(LEFT_BEHIND))).scalar_one()
    right = not wrong and succeeded == len(asked.deliveries) and not left
    lines = [
        "# Soak",
        "",
        f"Written by `make soak` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {minutes:g} minutes of faults,",
        f"{took:.0f} s in all. {REPLICAS} replicas of `orca-reconcile work`, each started again when it has ended,",
        f"{LIVE_JOBS} jobs queued or running at any time on {LOCATIONS} archive locations of {FILES:,} files,",
        f"engines duckdb and postgres, formats CSV, ORC and Parquet; seed {SEED}.",
        "",
        description(SETTINGS),
        "",
        "| what | measured |",
        "| --- | --- |",
        f"| jobs submitted | {len(asked.deliveries)} |",
        f"| jobs that succeeded | {succeeded} |",
        f"| jobs whose three reports are not the expected ones, key by key | {len(wrong)} |",
        f"| left at the end (tables, locks, sessions, runs) | {left or 'nothing'} |",
        f"| faults made | {faults.made.total()} |",
        f"| attempts | {attempts} |",
        f"| attempts that failed or whose runner disappeared | {failures} |",
        f"| jobs that took more than one attempt | {again} |",
        f"| most attempts of one job | {most} |",
        f"| starts of replicas | {sum(replica.starts for replica in faults.replicas)} |",
        "",
        "From a fault to the next job that succeeded, the fault's own length included:",
        "",
        "| fault | how often | median | longest |",
        "| --- | --- | --- | --- |",
    ]
    for name, times in faults.made.most_common():
        took_s = faults.recovered.get(name, [])
        median, longest = (f"{statistics.median(took_s):.1f} s", f"{max(took_s):.1f} s") if took_s else ("", "")
        lines.append(f"| {name} | {times} | {median} | {longest} |")
    RESULT.write_text("\n".join([*lines, ""]))
    print(RESULT.read_text(), flush=True)
    return right


async def main() -> int:
    """Run the soak in a folder of its own, which goes at the end unless something was wrong."""
    minutes = float(os.environ.get("SOAK_MINUTES", "10"))
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    with cluster() as server:
        await server.make_template()
        # What was confirmed has to outlive `restart`, unlike in tests.
        await server.execute("ALTER SYSTEM RESET synchronous_commit", "SELECT pg_reload_conf()")
        async with server.fresh() as name:
            database = Database.at(server.url(name), application_name=TEST)
            try:
                right = await soak(minutes, folder, server, database)
            finally:
                await database.dispose()
    if not right:
        print(f"Not as it has to be; the replicas' logs are in {folder}.")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
