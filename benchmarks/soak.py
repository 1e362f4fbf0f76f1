"""`make soak`: three replicas with more jobs than they can do, killed, frozen, stopped and cut off all the while.

Ends with exit code 0 only if the reports of every job are the expected ones and nothing is left, and writes its figures
to `soak.md`. The minutes are those of SOAK_MINUTES.
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
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from app.db.engine import Database
from app.db.retry import may_pass
from app.jobs.requests import submit
from app.settings import Settings
from benchmarks.deliveries import FILES, LOCATIONS, SEED, Sample, prepare
from benchmarks.machine import description
from benchmarks.replica import Replica
from tests.support.archive import published
from tests.support.cluster import Cluster, cluster
from tests.support.traces import LEFT_BEHIND, TEST

REPLICAS = 3
LIVE_JOBS = 2 * REPLICAS  # at a time: a fault that finds nobody at work shows nothing
SETTINGS = {"fsync": "off", "full_page_writes": "off"}  # PostgreSQL goes down, and never the machine
RESULT = Path(__file__).parent / "soak.md"
DOWN_S = (1.0, 8.0)  # how long a frozen replica or a stopped PostgreSQL stays so
BETWEEN_S = (2.0, 6.0)
GRACE_S = 120.0
LIVE = "SELECT count(*) FROM orca.reconcile_run WHERE state IN ('queued', 'running')"
OTHERS = f"""
    SELECT count(pg_terminate_backend(pid)) FROM (
        SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> '{TEST}'
        ORDER BY random() LIMIT :connections
    ) AS chosen
"""


@dataclass
class Soak:
    """A soak under way: what was done, and how long it took until a job had succeeded again."""

    server: Cluster
    database: Database
    replicas: list[Replica]
    chance: random.Random
    faults: Counter[str] = field(default_factory=Counter)
    recovered: dict[str, list[float]] = field(default_factory=dict)
    expected: dict[int, Sample] = field(default_factory=dict)

    async def value(self, statement: str, **values: object) -> int:
        """Ask the database for one number, again until it answers."""
        while True:
            try:
                async with self.database.reading() as connection:
                    return int((await connection.execute(text(statement), values)).scalar_one() or 0)
            except Exception as error:
                if not may_pass(error):
                    raise
                await asyncio.sleep(0.2)

    async def submit(self, sample: Sample, url: str, settings: Settings, engine: str) -> None:
        """Submit a manifest until that has worked: the same one twice is one job."""
        while True:
            try:
                job, _ = await submit(self.database, settings, manifest_url=url, engine=engine)  # type: ignore[arg-type]
            except Exception as error:
                if not may_pass(error):
                    raise
                await asyncio.sleep(0.5)
            else:
                self.expected[job.id] = sample
                return

    async def kill(self) -> None:
        """Kill a replica."""
        self.chance.choice(self.replicas).send(signal.SIGKILL)

    async def stop(self) -> None:
        """Tell a replica to stop."""
        self.chance.choice(self.replicas).send(signal.SIGTERM)

    async def freeze(self) -> None:
        """Freeze a replica for a while; it may have lost its connections when it wakes."""
        replica = self.chance.choice(self.replicas)
        replica.send(signal.SIGSTOP)
        await asyncio.sleep(self.chance.uniform(*DOWN_S))
        if self.chance.random() < 0.5:
            await self.value(OTHERS, connections=1000)  # it has lost its locks when it wakes
        replica.send(signal.SIGCONT)

    async def cut(self) -> None:
        """Cut some connections."""
        await self.value(OTHERS, connections=self.chance.randint(1, 3))

    async def restart(self) -> None:
        """Stop PostgreSQL for a while, in order or as by a loss of power."""
        await asyncio.to_thread(self.server.stop, self.chance.choice(["fast", "immediate"]))
        await asyncio.sleep(self.chance.uniform(*DOWN_S))
        await asyncio.to_thread(self.server.start)

    async def disturb(self) -> None:
        """Make one fault after the other, and take the time from each to the next job that succeeds."""
        kinds: dict[str, tuple[Callable[[], Awaitable[None]], int]] = {
            "kill -9 of a replica": (self.kill, 4),
            "SIGTERM to a replica": (self.stop, 2),
            "SIGSTOP, and SIGCONT after 1 to 8 s": (self.freeze, 3),
            "1 to 3 connections terminated": (self.cut, 6),
            "PostgreSQL stopped for 1 to 8 s": (self.restart, 2),
        }
        succeeded = "SELECT count(*) FROM orca.reconcile_run WHERE state = 'succeeded'"
        while True:
            await asyncio.sleep(self.chance.uniform(*BETWEEN_S))
            (name,) = self.chance.choices(list(kinds), [weight for _, weight in kinds.values()])
            before = await self.value(succeeded)
            began = time.monotonic()
            await kinds[name][0]()
            self.faults[name] += 1
            while await self.value(succeeded) == before:  # noqa: ASYNC110  (others end the job)
                await asyncio.sleep(0.1)
            self.recovered.setdefault(name, []).append(time.monotonic() - began)

    async def wrong(self) -> list[int]:
        """Give the jobs whose reports are not the expected ones."""
        wrong = []
        for job_id, sample in self.expected.items():
            found, expected = await published(self.database, job_id), sample.expected
            if (found.phantoms, found.orphans, found.mismatches) != (
                set(expected.phantoms),
                set(expected.orphans),
                dict(expected.mismatches),
            ):
                wrong.append(job_id)
        return wrong


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
    one = Soak(server, database, replicas, random.Random(SEED))  # noqa: S311  (so that it can be repeated)
    began = time.monotonic()
    keeping = [asyncio.create_task(replica.keep()) for replica in replicas]
    disturbing = asyncio.create_task(one.disturb())
    submitted = 0
    while time.monotonic() - began < minutes * 60:
        if await one.value(LIVE) < LIVE_JOBS:
            round_number, location = divmod(submitted, LOCATIONS)
            sample, engine = samples[location], ("duckdb", "postgres")[round_number % 2]
            await one.submit(sample, sample.manifest(round_number), settings, engine)
            submitted += 1
        await asyncio.sleep(0.05)
    disturbing.cancel()
    await asyncio.gather(disturbing, return_exceptions=True)
    for replica in replicas:
        replica.send(signal.SIGCONT)
    if not (server.folder / "data" / "postmaster.pid").exists():  # the last fault was not over
        await asyncio.to_thread(server.start)
    until = time.monotonic() + GRACE_S
    while await one.value(LIVE) and time.monotonic() < until:  # noqa: ASYNC110  (others end them)
        await asyncio.sleep(0.2)
    took = time.monotonic() - began
    for task in keeping:
        task.cancel()
    await asyncio.gather(*keeping, return_exceptions=True)
    return await judge(one, minutes, took)


async def judge(one: Soak, minutes: float, took: float) -> bool:
    """Write the figures down, and tell whether all is as it has to be."""
    wrong = await one.wrong()
    succeeded = await one.value("SELECT count(*) FROM orca.reconcile_job WHERE status_id = 5")
    attempts = await one.value("SELECT sum(attempt) FROM orca.reconcile_run")
    failures = await one.value("SELECT sum(failures) FROM orca.reconcile_run")
    most = await one.value("SELECT max(attempt) FROM orca.reconcile_run")
    again = await one.value("SELECT count(*) FROM orca.reconcile_run WHERE attempt > 1")
    async with one.database.reading() as connection:
        left = (await connection.execute(text(LEFT_BEHIND))).scalar_one()
    right = not wrong and succeeded == len(one.expected) and not left
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
        f"| jobs submitted | {len(one.expected)} |",
        f"| jobs that succeeded | {succeeded} |",
        f"| jobs whose three reports are not the expected ones, key by key | {len(wrong)} |",
        f"| left at the end (tables, locks, sessions, runs) | {left or 'nothing'} |",
        f"| faults made | {one.faults.total()} |",
        f"| attempts | {attempts} |",
        f"| attempts that failed or whose runner disappeared | {failures} |",
        f"| jobs that took more than one attempt | {again} |",
        f"| most attempts of one job | {most} |",
        f"| starts of replicas | {sum(replica.starts for replica in one.replicas)} |",
        "",
        "From a fault to the next job that succeeded, the fault's own length included:",
        "",
        "| fault | how often | median | longest |",
        "| --- | --- | --- | --- |",
    ]
    for name, times in one.faults.most_common():
        took_s = one.recovered.get(name, [])
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
