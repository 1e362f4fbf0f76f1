"""Inventories that S3 delivered badly, or gives badly: the job says what is wrong, publishes nothing and leaves nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import obstore
import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.inventory import s3 as s3_module
from app.inventory.columns import FileFormat
from app.jobs.model import EngineName, Job
from app.jobs.requests import submit
from app.jobs.runner import Runner
from app.settings import Settings
from tests.inventory.building import DESTINATION, Row, arrow, data_file, manifest_bytes, orc_bytes
from tests.support.archive import catalog_file, insert_catalog, published
from tests.support.manifests import look
from tests.support.seaweed import Seaweed
from tests.support.unruly import Unruly, Wanted

ONE, OTHER = [Row("a"), Row("b")], [Row("c"), Row("d")]
BOTH = pytest.mark.parametrize("engine", ["duckdb", "postgres"])
ALWAYS = 10_000

Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Delivery:
    """Two data files as the manifest has them; `second` is what lies where the second should, if anything does."""

    said: str
    file_format: FileFormat = "CSV"
    listed: bytes = field(default=data_file("CSV", OTHER), repr=False)
    second: Callable[[bytes], bytes | None] = field(default=lambda content: content, repr=False)
    change: Change = field(default=lambda _: None, repr=False)


def exchange_checksums(manifest: dict[str, Any]) -> None:
    one, other = manifest["files"]
    one["MD5checksum"], other["MD5checksum"] = other["MD5checksum"], one["MD5checksum"]


def damage_footer(content: bytes) -> bytes:
    return content[:-20] + b"\xff" * 12 + content[-8:]


BAD = {
    "missing": Delivery("is missing: the manifest lists it", second=lambda _: None),
    "longer": Delivery("bytes, and the manifest says", second=lambda content: content + b"x"),
    "shorter": Delivery("bytes, and the manifest says", second=lambda content: content[:-1]),
    "checksums of one another": Delivery("has the MD5", change=exchange_checksums),
    "damaged footer": Delivery("cannot be read as Parquet", "Parquet", damage_footer(data_file("Parquet", OTHER))),
    "no key": Delivery("has no column key", "ORC", orc_bytes(arrow(OTHER).drop_columns(["key"]))),
    "CSV as Parquet": Delivery("cannot be read as Parquet", "Parquet", data_file("CSV", OTHER)),
    "a key in both files": Delivery("is listed as latest a second time", listed=data_file("CSV", ONE)),
}


async def deliver(seaweed: Seaweed, delivery: Delivery, *changes: tuple[str, object]) -> str:
    """Put an inventory into S3, and give its manifest's URL."""
    store = seaweed.bucket(DESTINATION)
    place = f"bad/{uuid4().hex}"
    first = data_file(delivery.file_format, ONE)
    extension = {"CSV": "csv.gz", "ORC": "orc", "Parquet": "parquet"}[delivery.file_format]
    listed = {f"{place}/data/0.{extension}": first, f"{place}/data/1.{extension}": delivery.listed}
    manifest = json.loads(manifest_bytes(delivery.file_format, listed, changes=dict(changes)))
    delivery.change(manifest)
    for key, content in zip(listed, (first, delivery.second(delivery.listed)), strict=True):
        if content is not None:
            await obstore.put_async(store, key, content)
    await obstore.put_async(store, f"{place}/manifest.json", json.dumps(manifest).encode())
    return f"s3://{DESTINATION}/{place}/manifest.json"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"manifest_prefixes": (f"s3://{DESTINATION}/bad/",)})


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the client of the store ask no more than twice."""
    monkeypatch.setitem(s3_module.RETRY, "max_retries", 1)


async def run(database: Database, settings: Settings, url: str, engine: EngineName) -> Job:
    """Work on a job to its end, and wait for no retry."""
    job, _ = await submit(database, settings, manifest_url=url, engine=engine)
    while not (now := await look(database, job)).ended:
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE orca.reconcile_run SET not_before = now() WHERE state = 'queued'"))
        assert await Runner(database, settings).work_once()
    return now


async def nothing_came_of_it(database: Database, settings: Settings, job: Job) -> None:
    async with database.reading() as connection:
        for table in ("report", "phantom_report", "orphan_report", "catalog_mismatch_report", "s3_object"):
            assert (await connection.execute(text(f"SELECT count(*) FROM orca.reconcile_{table}"))).scalar_one() == 0
    assert job.report_totals is None
    assert list(settings.spool.rglob("*")) == []


def second_file(url: str) -> Wanted:
    """Tell the requests for an inventory's second data file."""
    place = url.removeprefix("s3:/").removesuffix("manifest.json")
    return lambda line: line.startswith("GET") and f"{place}data/1." in line


@BOTH
@pytest.mark.parametrize("delivery", BAD.values(), ids=BAD.keys())
@pytest.mark.usefixtures("store")
async def test_a_bad_delivery_ends_in_error_and_names_the_file(
    database: Database, settings: Settings, seaweed: Seaweed, engine: EngineName, delivery: Delivery
) -> None:
    await insert_catalog(database, [catalog_file("a")])
    job = await run(database, settings, await deliver(seaweed, delivery), engine)
    assert (job.status, job.attempt) == ("error", 1)
    assert delivery.said in str(job.error_message)
    assert "data/1." in str(job.error_message) or delivery.change is exchange_checksums
    await nothing_came_of_it(database, settings, job)


@BOTH
@pytest.mark.parametrize("fault", ["403", "503", "cut"])
@pytest.mark.usefixtures("impatient")
async def test_a_store_that_keeps_failing_ends_in_error_and_names_the_file(
    database: Database, settings: Settings, seaweed: Seaweed, store: Unruly, engine: EngineName, fault: str
) -> None:
    url = await deliver(seaweed, Delivery(""))
    if fault == "cut":
        store.break_off(10, ALWAYS, second_file(url))
    else:
        store.answer(int(fault), ALWAYS, second_file(url))
    job = await run(database, settings, url, engine)
    assert (job.status, job.attempt) == ("error", 4)
    assert "data/1.csv.gz" in str(job.error_message)
    await nothing_came_of_it(database, settings, job)


@BOTH
@pytest.mark.usefixtures("impatient")
async def test_a_store_that_fails_for_a_while_is_asked_again(
    database: Database, settings: Settings, seaweed: Seaweed, store: Unruly, engine: EngineName
) -> None:
    """Longer than its client asks again within one attempt, in every way there is."""
    url = await deliver(seaweed, Delivery(""))
    store.answer(403, 1, second_file(url))
    store.answer(503, 3, second_file(url))
    store.break_off(10, 1, second_file(url))
    job = await run(database, settings, url, engine)
    assert (job.status, job.error_message) == ("success", None)
    assert (job.attempt or 0) > 1
    assert (await published(database, job.id)).orphans == {"a", "b", "c", "d"}
    assert list(settings.spool.rglob("*")) == []


@BOTH
@pytest.mark.usefixtures("store")
async def test_two_manifests_of_one_archive_location_at_once_are_two_jobs_one_after_the_other(
    database: Database, settings: Settings, seaweed: Seaweed, engine: EngineName
) -> None:
    await insert_catalog(database, [catalog_file("a", etag=ONE[0].e_tag, size=ONE[0].size)])
    urls = [
        await deliver(seaweed, Delivery("", listed=data_file("CSV", [Row(key)])), ("creationTimestamp", str(time)))
        for time, key in ((1772323200000, "earlier"), (1772409600000, "later"))
    ]
    queued = await asyncio.gather(*(submit(database, settings, manifest_url=url, engine=engine) for url in urls))
    async with Runner(database, settings), Runner(database, settings), asyncio.timeout(60):
        jobs = [await look(database, job) for job, _ in queued]
        while not all(job.ended for job in jobs):
            jobs = [await look(database, job) for job in jobs]
            await asyncio.sleep(0.02)
    assert [(job.status, job.error_message, job.attempt) for job in jobs] == [("success", None, 1)] * 2
    assert [(await published(database, job.id)).orphans for job in jobs] == [{"b", "earlier"}, {"b", "later"}]
    async with database.reading() as connection:
        overlapping = text("""
            SELECT count(*) FROM orca.reconcile_run AS one JOIN orca.reconcile_run AS other ON one.id < other.id
            WHERE (one.started_at, one.ended_at) OVERLAPS (other.started_at, other.ended_at)
        """)
        assert (await connection.execute(overlapping)).scalar_one() == 0
    assert list(settings.spool.rglob("*")) == []
