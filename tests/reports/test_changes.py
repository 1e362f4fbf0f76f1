"""What changed between two jobs, against a small oracle of sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_args
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db.engine import Database
from app.db.migrations import upgrade
from app.errors import BadCursor, NoSuchJob, NotEarlier, OtherArchiveLocation, ReportNotReady
from app.reports.change_pages import Change
from app.reports.changes import Compared, Wanted, read_changes
from app.reports.findings import KINDS, MISMATCHES, ORPHANS, PHANTOMS, Kind, as_dicts
from tests.reports.published import CREATED, CREATED_MS, Row, add_job, add_rows, publish
from tests.support.orca import orca_database
from tests.support.postgres import Server

NO_GRACE = timedelta(0)
DAY = timedelta(days=1)
DAY_MS = 86_400_000
CHANGES: tuple[Change, ...] = get_args(Change)

Key = tuple[str, ...]
Jobs = Sequence[frozenset[Key]]


@dataclass(frozen=True)
class Expected:
    """What the oracle says of one finding: the place of the first job that saw it, and its consecutive jobs."""

    first: int
    consecutive: int


def oracle(jobs: Jobs, job: int, against: int | None, change: Change, min_jobs: int) -> dict[Key, Expected]:
    """Say what changed from the job at one place to that at another, by sets; None: there is none before."""
    now, before = jobs[job], frozenset() if against is None else jobs[against]
    found = {"new": now - before, "resolved": before - now, "persisting": now & before}[change]
    last = against if change == "resolved" and against is not None else job
    expected = {}
    for key in found:
        places = [place for place in range(last + 1) if key in jobs[place]]
        consecutive = 0
        while last - consecutive in places:
            consecutive += 1
        if consecutive >= min_jobs:
            expected[key] = Expected(places[0], consecutive)
    return expected


async def publish_all(database: Database, kind: Kind, jobs: Jobs, bucket: str = "orca-archive") -> list[int]:
    ids = []
    for place, keys in enumerate(jobs):
        job_id = await add_job(database, bucket=bucket, created=CREATED + place * DAY)
        rows = [Row(key[-1], key[0], key[len(key) // 2]) for key in keys]
        await add_rows(database, job_id, kind.name, rows)
        await publish(database, job_id)
        ids.append(job_id)
    return ids


async def pages(
    database: Database, job_id: int, against: int | None, wanted: Wanted
) -> tuple[list[dict[str, Any]], Compared]:
    """Page through all that changed."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        asked = Wanted(wanted.kind, wanted.change, wanted.min_jobs, wanted.limit, cursor)
        compared = await read_changes(database, job_id, grace=NO_GRACE, against=against, wanted=asked)
        assert compared.page is not None
        items = as_dicts(compared.page.items)
        assert len(items) == wanted.limit or compared.page.next_cursor is None
        found += items
        cursor = compared.page.next_cursor
        if cursor is None:
            return found, compared


KEYS = st.sampled_from([f"{folder}/{name}" for folder in ("a", "É b", "a%") for name in ("1", "2", "3", "'\"")])


def key_sets(kind: Kind) -> st.SearchStrategy[Jobs]:
    key = (
        KEYS.map(lambda key: (key,))
        if kind is ORPHANS
        else st.tuples(st.sampled_from("Aa"), st.sampled_from("xy"), KEYS)
    )
    return st.lists(st.frozensets(key, max_size=8), min_size=1, max_size=5)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_changes_are_those_of_sets(database: Database, kind: Kind, data: st.DataObject) -> None:
    jobs = data.draw(key_sets(kind))
    ids = await publish_all(database, kind, jobs, f"bucket-{uuid4()}")
    job = data.draw(st.integers(0, len(jobs) - 1))
    against = data.draw(st.integers(0, job - 1)) if job else None
    asked = ids[against] if against is not None and (against != job - 1 or data.draw(st.booleans())) else None
    limit, min_jobs = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    for change in CHANGES:
        found, compared = await pages(database, ids[job], asked, Wanted(kind, change, min_jobs, limit))
        expected = oracle(jobs, job, against, change, min_jobs)
        assert {tuple(item[name] for name in kind.key): said(item) for item in found} == {
            key: (ids[one.first], CREATED_MS + one.first * DAY_MS, one.consecutive) for key, one in expected.items()
        }
        assert len(found) == len(expected)
        keys = [tuple(item[name].encode() for name in kind.key) for item in found]
        assert keys == sorted(keys)
        total = getattr(compared.totals[kind.name], change)
        assert total == len(oracle(jobs, job, against, change, 1))
        assert (compared.pair.against and compared.pair.against.job_id) == (None if against is None else ids[against])


def said(item: Mapping[str, Any]) -> tuple[int, int, int]:
    return item["firstJobId"], item["firstSeen"], item["consecutiveJobs"]


async def test_items_are_those_of_the_report_they_stand_in(database: Database) -> None:
    before = await add_job(database)
    await add_rows(database, before, "mismatches", [Row("a", discrepancy="etag", size=1), Row("gone", size=2)])
    job = await add_job(database, created=CREATED + DAY)
    await add_rows(database, job, "mismatches", [Row("a", size=3), Row("b", size=4)])
    for one in (before, job):
        await publish(database, one)
    sizes = {}
    for change in CHANGES:
        items, _ = await pages(database, job, None, Wanted(MISMATCHES, change))
        assert all(list(item) == [*MISMATCHES.columns, "firstJobId", "firstSeen", "consecutiveJobs"] for item in items)
        sizes[change] = {item["keyPath"]: (item["orcaSizeInBytes"], item["discrepancyType"]) for item in items}
    both = "etag, size_in_bytes"
    assert sizes == {"new": {"b": (4, both)}, "resolved": {"gone": (2, both)}, "persisting": {"a": (3, both)}}


async def test_jobs_are_in_the_order_of_their_inventories_and_only_those_with_reports_count(database: Database) -> None:
    late = await add_job(database, created=CREATED + 2 * DAY)
    early = await add_job(database)
    failed = await add_job(database, created=CREATED + DAY, status=4)
    elsewhere = await add_job(database, created=CREATED + DAY, bucket="other")
    for one in (late, early, failed, elsewhere):
        await add_rows(database, one, "orphans", [Row("k")])
        if one != failed:
            await publish(database, one)
    (item,), compared = await pages(database, late, None, Wanted(ORPHANS, "persisting"))
    assert compared.pair.against is not None
    assert (compared.pair.against.job_id, said(item)) == (early, (early, CREATED_MS, 2))


async def test_a_report_that_orca_wrote_is_compared_too(database: Database) -> None:
    jobs = [await add_job(database, created=CREATED + place * DAY) for place in range(2)]
    await add_rows(database, jobs[0], "phantoms", [Row("a"), Row("b")])
    await add_rows(database, jobs[1], "phantoms", [Row("b"), Row("c")])
    (item,), compared = await pages(database, jobs[1], None, Wanted(PHANTOMS, "persisting"))
    assert (item["keyPath"], said(item)) == ("b", (jobs[0], CREATED_MS, 2))
    total = compared.totals["phantoms"]
    assert (total.new, total.resolved, total.persisting) == (1, 1, 1)


async def test_reports_that_are_published_again_are_counted_again(database: Database) -> None:
    before, job = await publish_all(database, ORPHANS, [frozenset({("a",)}), frozenset({("a",), ("b",)})])

    async def orphans() -> tuple[int, int, int]:
        total = (await read_changes(database, job, grace=NO_GRACE)).totals["orphans"]
        return total.new, total.resolved, total.persisting

    assert await orphans() == (1, 0, 1)
    assert await count(database, "orca.reconcile_change") == 3
    await add_rows(database, before, "orphans", [Row("b"), Row("c")])
    await publish(database, before)
    assert await orphans() == (0, 1, 2)
    assert await count(database, "orca.reconcile_change") == 3
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM orca.reconcile_report WHERE job_id = :id"), {"id": before})
    assert await count(database, "orca.reconcile_change") == 0


async def count(database: Database, table: str) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def test_what_cannot_be_compared_is_said(database: Database) -> None:
    before, job, later = await publish_all(database, ORPHANS, [frozenset()] * 3)
    (elsewhere,) = await publish_all(database, ORPHANS, [frozenset()], "other")
    failed = await add_job(database, status=4, created=CREATED - DAY)
    cases: list[tuple[int, int | None, type[Exception]]] = [
        (later + 99, None, NoSuchJob),
        (failed, None, ReportNotReady),
        (job, later + 99, NoSuchJob),
        (job, elsewhere, OtherArchiveLocation),
        (job, later, NotEarlier),
        (job, job, NotEarlier),
        (job, failed, ReportNotReady),
    ]
    for one, against, error in cases:
        with pytest.raises(error):
            await read_changes(database, one, grace=NO_GRACE, against=against)
    assert (await read_changes(database, job, grace=NO_GRACE, against=before)).pair.job.job_id == job


async def test_a_cursor_is_good_for_its_own_changes_only(database: Database) -> None:
    keys = frozenset({("a",), ("b",), ("c",)})
    earlier, job, later = await publish_all(database, ORPHANS, [keys, keys, keys])
    asked = Wanted(ORPHANS, "persisting", limit=1)
    first = await read_changes(database, later, grace=NO_GRACE, against=earlier, wanted=asked)
    assert first.page is not None
    cursor = first.page.next_cursor
    for job_id, against, wanted in (
        (job, earlier, Wanted(ORPHANS, "persisting", cursor=cursor)),
        (later, job, Wanted(ORPHANS, "persisting", cursor=cursor)),
        (later, earlier, Wanted(ORPHANS, "new", cursor=cursor)),
        (later, earlier, Wanted(ORPHANS, "persisting", min_jobs=2, cursor=cursor)),
        (later, earlier, Wanted(PHANTOMS, "persisting", cursor=cursor)),
    ):
        with pytest.raises(BadCursor):
            await read_changes(database, job_id, grace=NO_GRACE, against=against, wanted=wanted)


async def test_orcas_application_login_may_ask(server: Server) -> None:
    async with orca_database(server) as name:
        administrator, login = Database.at(server.url(name)), Database.at(server.url(name, "orca_user"))
        await upgrade(administrator)
        _, job = await publish_all(login, ORPHANS, [frozenset({("a",)}), frozenset({("a",), ("b",)})])
        assert (await read_changes(login, job, grace=NO_GRACE)).totals["orphans"].new == 1
        assert await count(login, "orca.reconcile_change") == 3
        for database in (administrator, login):
            await database.dispose()
