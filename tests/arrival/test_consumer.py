"""Consuming a real queue: no message goes before its jobs are there, none is lost, none comes for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import structlog
from sqlalchemy import text

from app.arrival.consumer import MOST_LOOKS, Consumer
from app.arrival.queue import Queue, QueueUnavailable
from app.db.engine import Database
from app.errors import Misconfigured, StorageUnavailable
from app.settings import Settings
from tests.arrival.bodies import TEST_EVENT, event, from_event_bridge, from_orca, from_sns
from tests.arrival.inventories import Bucket, day, taken_in
from tests.arrival.sqs import MadeQueue, Sqs
from tests.support.traces import WAITING
from tests.support.unruly import Unruly

Opened = tuple[Consumer, Queue, MadeQueue]


@asynccontextmanager
async def consuming(database: Database, settings: Settings, queue: MadeQueue) -> AsyncIterator[tuple[Consumer, Queue]]:
    async with Queue.at(queue.url) as ours:
        yield Consumer(database, settings, ours), ours


async def deal(consumer: Consumer, queue: Queue, messages: int = 1) -> None:
    for _ in range(messages):
        message = await queue.receive()
        assert message is not None
        await consumer.deal_with(message)


@pytest.fixture
def queue(aws: Sqs) -> MadeQueue:
    return aws.queue()


async def test_a_message_is_deleted_when_its_jobs_are_there(
    database: Database, s3_settings: Settings, bucket: Bucket, queue: MadeQueue
) -> None:
    keys = [await bucket.deliver(day(number)) for number in (1, 2, 3)]
    strange = await bucket.deliver(day(4), report="reports/a b+%20ü/daily")
    queue.send(event(bucket.name, keys[0], keys[1], strange), from_sns(event(bucket.name, keys[2])))
    async with consuming(database, s3_settings, queue) as (consumer, ours):
        await deal(consumer, ours, 2)
    expected = {f"s3://{bucket.name}/{key.replace('%', '%25')}" for key in (*keys, strange)}
    assert set(await taken_in(database)) == expected
    assert queue.count() == 0


async def test_the_same_manifest_is_one_job_however_it_is_announced(
    database: Database, s3_settings: Settings, bucket: Bucket, queue: MadeQueue
) -> None:
    key = await bucket.deliver(day(1))
    bodies = [
        event(bucket.name, key),
        event(bucket.name, key.replace(".json", ".checksum")),
        from_orca(bucket.name, key),
        from_event_bridge(bucket.name, key.replace(".json", ".checksum")),
    ]
    queue.send(*bodies, *bodies)
    async with consuming(database, s3_settings, queue) as (consumer, ours):
        await deal(consumer, ours, 2 * len(bodies))
    assert len(await taken_in(database)) == 1
    assert queue.count() == 0


async def test_what_announces_no_manifest_is_acknowledged(
    database: Database, s3_settings: Settings, bucket: Bucket, queue: MadeQueue
) -> None:
    queue.send(TEST_EVENT, event(bucket.name, "reports/data/1.csv.gz"))
    async with consuming(database, s3_settings, queue) as (consumer, ours):
        await deal(consumer, ours, 2)
    assert await taken_in(database) == []
    assert (queue.count(), queue.dead()) == (0, [])


NEVER: list[tuple[Callable[[str], str], str]] = [
    (lambda _: "hello", "not JSON"),
    (lambda _: json.dumps({"hello": "\ud83d\ude00 \x01"}), "neither an event"),
    (lambda _: event("of-others", "a/manifest.json"), "outside the locations"),
    (lambda bucket: event(bucket, "a//manifest.json"), "empty part"),
    (lambda bucket: event(bucket, "bad/manifest.json"), "not JSON"),
    (lambda bucket: from_orca(bucket, "a/1.csv.gz"), r"no manifest\.json"),
]


@pytest.mark.parametrize("fifo", [False, True])
async def test_what_can_never_work_becomes_a_dead_letter_with_its_reason(
    database: Database, s3_settings: Settings, bucket: Bucket, aws: Sqs, fifo: bool
) -> None:
    queue = aws.queue(fifo=fifo)
    await bucket.put("bad/manifest.json", b"hello \x01")
    for body, why in NEVER:
        queue.send(body(bucket.name))
        async with consuming(database, s3_settings, queue) as (consumer, ours):
            with structlog.testing.capture_logs() as logs:
                await deal(consumer, ours)
        (dead,) = [letter for letter in queue.dead() if letter[0] == body(bucket.name)]
        with pytest.raises(AssertionError, match=why):
            raise AssertionError(dead[1])
        assert (logs[-1]["event"], logs[-1]["reason"]) == ("message moved to the dead-letter queue", dead[1])
    assert queue.count() == 0


async def test_the_good_manifests_of_a_bad_message_are_taken_in(
    database: Database, s3_settings: Settings, bucket: Bucket, queue: MadeQueue
) -> None:
    key = await bucket.deliver(day(1))
    await bucket.put("bad/manifest.json", b"{}")
    queue.send(event(bucket.name, "bad/manifest.json", key))
    async with consuming(database, s3_settings, queue) as (consumer, ours):
        await deal(consumer, ours)
    assert await taken_in(database) == [f"s3://{bucket.name}/{key}"]
    assert ["bad/manifest.json" in why for _, why in queue.dead()] == [True]


async def test_without_a_dead_letter_queue_nothing_is_lost(database: Database, s3_settings: Settings, aws: Sqs) -> None:
    queue = aws.queue(dead_letters=False)
    queue.send("hello")
    async with consuming(database, s3_settings, queue) as (consumer, ours):
        await deal(consumer, ours)
    assert queue.count() == 1


async def test_a_store_that_is_away_leaves_the_message(
    database: Database,
    s3_settings: Settings,
    bucket: Bucket,
    queue: MadeQueue,
    store: Unruly,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.arrival.consumer.FIRST_HIDING_S", 0)
    keys = [await bucket.deliver(day(number)) for number in (1, 2)]
    queue.send(event(bucket.name, *keys))
    store.answer(403, 1, lambda line: keys[1] in line)
    async with consuming(database, s3_settings, queue) as (consumer, ours):
        with pytest.raises(StorageUnavailable):
            await deal(consumer, ours)
        assert (queue.count(), len(await taken_in(database))) == (1, 1)
        await deal(consumer, ours)
    assert (queue.count(), len(await taken_in(database))) == (0, 2)


async def test_a_manifest_that_is_not_there_yet_is_waited_for_a_few_times(
    database: Database, s3_settings: Settings, bucket: Bucket, queue: MadeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.arrival.consumer.FIRST_HIDING_S", 0)
    await bucket.put("x")
    queue.send(event(bucket.name, "none/manifest.json"))
    async with consuming(database, s3_settings, queue) as (consumer, ours):
        await deal(consumer, ours, MOST_LOOKS - 1)
        assert (queue.count(), queue.dead()) == (1, [])
        await deal(consumer, ours)
    assert ["There is no manifest" in why for _, why in queue.dead()] == [True]


async def test_a_database_that_is_away_leaves_the_message_and_is_waited_for(
    s3_settings: Settings, bucket: Bucket, queue: MadeQueue
) -> None:
    queue.send(event(bucket.name, await bucket.deliver(day(1))))
    away = Database.at("postgresql://127.0.0.1:1/none")
    stop = asyncio.Event()
    async with consuming(away, s3_settings, queue) as (consumer, _):
        with structlog.testing.capture_logs() as logs:
            running = asyncio.create_task(consumer.run(stop))
            async with asyncio.timeout(10):
                while not logs:
                    await asyncio.sleep(0.02)
            stop.set()
            await asyncio.wait_for(running, 5)
    await away.dispose()
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("consuming failed", "warning")]
    assert queue.count() == 1


async def test_a_stop_lets_it_finish_the_message_in_hand(
    database: Database, s3_settings: Settings, bucket: Bucket, queue: MadeQueue
) -> None:
    for number in (1, 2):
        queue.send(event(bucket.name, await bucket.deliver(day(number))))
    stop = asyncio.Event()
    async with consuming(database, s3_settings, queue) as (consumer, _):
        async with database.transaction() as connection:
            await connection.execute(text("LOCK TABLE orca.reconcile_job"))
            running = asyncio.create_task(consumer.run(stop))
            async with asyncio.timeout(10), database.reading() as looking:
                table = {"table": "orca.reconcile_job"}
                while not (await looking.execute(text(WAITING), table)).scalar_one():
                    await asyncio.sleep(0.02)
            stop.set()
            await asyncio.sleep(0.1)
            assert (running.done(), queue.count()) == (False, 2)
        await asyncio.wait_for(running, 5)
    assert (queue.count(), len(await taken_in(database))) == (1, 1)


async def test_a_queue_that_is_not_there_is_said_so(
    database: Database, s3_settings: Settings, queue: MadeQueue
) -> None:
    none = MadeQueue(queue.client, f"{queue.url}-none", None)
    async with consuming(database, s3_settings, none) as (consumer, _):
        with pytest.raises(Misconfigured, match="There is no queue"):
            await consumer.run(asyncio.Event())


async def test_an_endpoint_that_is_away_is_told_from_that(
    database: Database, s3_settings: Settings, queue: MadeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")
    async with consuming(database, s3_settings, queue) as (_, ours):
        with pytest.raises(QueueUnavailable, match="did not answer"):
            await ours.receive()
