"""What a soak does to replicas, PostgreSQL, jobs and the catalog, one thing after the other."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy import text

from benchmarks.asked import Asked
from benchmarks.replica import Replica
from tests.support.cluster import Cluster
from tests.support.traces import TEST

DOWN_S = (1.0, 8.0)  # how long a frozen replica or a stopped PostgreSQL stays so
BETWEEN_S = (2.0, 6.0)
OTHERS = f"""
    SELECT count(pg_terminate_backend(pid)) FROM (
        SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> '{TEST}'
        ORDER BY random() LIMIT :connections
    ) AS chosen
"""
# Every tenth file becomes another row elsewhere in the table, and says what it said: the findings stay the same.
REWRITE = "UPDATE orca.files SET name = name WHERE id % 10 = :remainder"


@dataclass
class Faults:
    """Makes faults by chance, counts them, and takes the time from each to the next job that succeeds."""

    server: Cluster
    asked: Asked
    replicas: list[Replica]
    chance: random.Random
    made: Counter[str] = field(default_factory=Counter)
    recovered: dict[str, list[float]] = field(default_factory=dict)

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
            await self.asked.value(OTHERS, connections=1000)  # it has lost its locks when it wakes
        replica.send(signal.SIGCONT)

    async def cut(self) -> None:
        """Cut some connections."""
        await self.asked.value(OTHERS, connections=self.chance.randint(1, 3))

    async def restart(self) -> None:
        """Stop PostgreSQL for a while, in order or as by a loss of power."""
        await asyncio.to_thread(self.server.stop, self.chance.choice(["fast", "immediate"]))
        await asyncio.sleep(self.chance.uniform(*DOWN_S))
        await asyncio.to_thread(self.server.start)

    async def cancel(self) -> None:
        """Have a job cancelled, and asked for again."""
        await self.asked.cancel_and_submit(self.chance.uniform(0, 1))

    async def rewrite(self) -> None:
        """Rewrite a part of the catalog, and give the space of the old rows to the next ones."""
        async with self.asked.database.reading() as connection:
            await connection.execute(text(REWRITE), {"remainder": self.chance.randrange(10)})
            await connection.execute(text("VACUUM orca.files"))

    async def disturb(self) -> None:
        """Make one fault after the other, and take the time from each to the next job that succeeds."""
        kinds: dict[str, tuple[Callable[[], Awaitable[None]], int]] = {
            "kill -9 of a replica": (self.kill, 4),
            "SIGTERM to a replica": (self.stop, 2),
            "SIGSTOP, and SIGCONT after 1 to 8 s": (self.freeze, 3),
            "1 to 3 connections terminated": (self.cut, 6),
            "PostgreSQL stopped for 1 to 8 s": (self.restart, 2),
            "a job cancelled, and submitted again": (self.cancel, 4),
            "a tenth of the catalog rewritten": (self.rewrite, 3),
        }
        succeeded = "SELECT count(*) FROM orca.reconcile_run WHERE state = 'succeeded'"
        while True:
            await asyncio.sleep(self.chance.uniform(*BETWEEN_S))
            (name,) = self.chance.choices(list(kinds), [weight for _, weight in kinds.values()])
            before = await self.asked.value(succeeded)
            began = time.monotonic()
            await kinds[name][0]()
            self.made[name] += 1
            while await self.asked.value(succeeded) == before:  # noqa: ASYNC110  (others end the job)
                await asyncio.sleep(0.1)
            self.recovered.setdefault(name, []).append(time.monotonic() - began)
