"""Watching a bucket of a real S3: found with few requests, through failures of the store."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.arrival.bucket import BucketDestination
from app.arrival.destination import dated
from app.arrival.watcher import STUBBORN, Round, Watcher
from app.db.engine import Database
from app.errors import StorageUnavailable
from app.inventory import s3 as s3_module
from app.settings import Settings
from tests.arrival.inventories import REPORT, Bucket, day, manifest, taken_in
from tests.support.unruly import Unruly

DATA_FILES = 1200


@pytest.fixture
def watcher(database: Database, s3_settings: Settings, bucket: Bucket) -> Watcher:
    return Watcher(database, s3_settings, f"s3://{bucket.name}/reports/")


def lists(store: Unruly) -> list[str]:
    return [line for line in store.requests if "list-type=2" in line]


async def test_what_is_delivered_is_taken_in_once(watcher: Watcher, database: Database, bucket: Bucket) -> None:
    key = await bucket.deliver(day(1))
    strange = await bucket.deliver(day(2), report="reports/a b+%20ü/daily")
    await bucket.deliver(day(3), report="others/orca-archive/daily")
    assert await watcher.once() == Round(submitted=2)
    assert await watcher.once() == Round()
    found = await taken_in(database)
    assert sorted(found) == sorted([f"s3://{bucket.name}/{key}", f"s3://{bucket.name}/{strange.replace('%', '%25')}"])


async def test_the_checksum_is_waited_for(watcher: Watcher, bucket: Bucket) -> None:
    await bucket.put(f"{REPORT}/{dated(day(1))}/manifest.json", manifest(day(1)))
    assert await watcher.once() == Round(waiting=1)
    await bucket.deliver(day(1))
    assert await watcher.once() == Round(submitted=1)


async def test_an_old_destination_is_listed_with_few_requests(bucket: Bucket, store: Unruly) -> None:
    start = datetime(2020, 1, 1, 1, tzinfo=UTC)
    days = [start + timedelta(days=number) for number in range(600)]
    for report in ("reports/a/daily", "reports/b/daily"):
        await asyncio.gather(
            *(bucket.put(f"{report}/{dated(each)}/manifest.{kind}") for each in days for kind in ("json", "checksum")),
            *(bucket.put(f"{report}/data/{number:05}.csv.gz") for number in range(DATA_FILES)),
            *(bucket.put(f"{report}/hive/dt={each:%Y-%m-%d}-01-00/symlink.txt") for each in days),
        )
    destination = BucketDestination(bucket.name, "reports")
    floor = days[-3] + timedelta(minutes=1)
    found = [listed async for listed in destination.manifests(lambda _: floor)]
    assert [listed.url.split("/")[-2] for listed in found] == [dated(each) for each in days[-3:]] * 2
    assert all(listed.has_checksum for listed in found)
    assert {listed.report for listed in found} == {f"s3://{bucket.name}/reports/{name}/daily" for name in "ab"}
    assert len(lists(store)) == 1 + 2 * 3  # for each report one to pass by the old ones, `data/` and `hive/`


async def test_a_store_that_is_away_for_a_while_is_asked_again(
    watcher: Watcher,
    bucket: Bucket,
    store: Unruly,
    monkeypatch: pytest.MonkeyPatch,
    database: Database,
    s3_settings: Settings,
) -> None:
    monkeypatch.setitem(s3_module.RETRY, "max_retries", 1)
    watcher = Watcher(database, s3_settings, f"s3://{bucket.name}/reports/")
    await bucket.deliver(day(1))
    for status, times, said in ((503, 2, "did not give"), (403, 1, "refused access to")):
        store.answer(status, times, lambda line: "list-type=2" in line)
        with pytest.raises(StorageUnavailable, match=f"{said} s3://{bucket.name}/reports"):
            await watcher.once()
    assert await watcher.once() == Round(submitted=1)


async def test_a_manifest_that_cannot_be_read_holds_up_the_others_only_for_a_while(
    watcher: Watcher, database: Database, bucket: Bucket, store: Unruly
) -> None:
    await bucket.deliver(day(1))
    newer = await bucket.deliver(day(2))
    store.answer(403, STUBBORN, lambda line: f"{dated(day(1))}/manifest.json" in line)
    for _ in range(STUBBORN - 1):
        with pytest.raises(StorageUnavailable):
            await watcher.once()
    assert await taken_in(database) == []
    assert await watcher.once() == Round(submitted=1, failed=1)
    assert await taken_in(database) == [f"s3://{bucket.name}/{newer}"]
    assert await watcher.once() == Round(submitted=1)


async def test_a_bucket_that_is_not_there_and_a_wrong_secret_are_said_so(
    database: Database, s3_settings: Settings, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = f"s3://{bucket.name}/"
    with pytest.raises(StorageUnavailable) as missing:
        await Watcher(database, s3_settings, watched).once()
    assert str(missing.value) == f"The store did not give {watched}: there is no such bucket."
    await bucket.deliver(day(1))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-somebody-else")
    with pytest.raises(StorageUnavailable) as refused:
        await Watcher(database, s3_settings, watched).once()
    said = f"The store refused access to {watched}: check the credentials, and what they may read."
    assert str(refused.value) == said


async def test_without_credentials_there_is_said_what_to_set(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")  # else http://169.254.169.254
    monkeypatch.setitem(s3_module.RETRY, "max_retries", 0)
    allowed = settings.model_copy(update={"manifest_prefixes": ("s3://inventory/",)})
    with pytest.raises(StorageUnavailable) as refused:
        await Watcher(database, allowed, "s3://inventory/").once()
    said = "no credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role"
    assert str(refused.value) == f"The store did not give s3://inventory/: {said}."
