"""Pages: each finding once, in order, whatever its key; filters; what is pending; when there is a report at all."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Database
from app.db.reader import Reader
from app.errors import BadCursor, NoSuchJob, ReportNotReady
from app.reports.findings import (
    KINDS,
    MISMATCHES,
    NO_FILTERS,
    ORPHANS,
    PENDING_COMMENT,
    PHANTOMS,
    BadFilter,
    Filters,
    Kind,
    as_dicts,
    discrepancy_types,
)
from app.reports.pages import Report
from tests.reports.published import BEFORE, BEFORE_MS, CREATED, Row, add_job, add_rows, publish

NO_GRACE = timedelta(0)
ALL_KINDS = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


async def all_items(
    source: Reader | AsyncConnection, kind: Kind, job_id: int, *, limit: int = 100, filters: Filters = NO_FILTERS
) -> list[dict[str, Any]]:
    """Page through a whole report."""
    report = Report(kind, job_id, NO_GRACE, filters)
    cursor, found = None, []
    while True:
        page = await report.page(source, limit=limit, cursor=cursor)
        items = as_dicts(page.items)
        assert len(items) == limit or page.next_cursor is None
        found += items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def keys_of(database: Database, kind: Kind, job_id: int, **filters: Any) -> list[str]:
    async with database.reading() as connection:
        found = await all_items(connection, kind, job_id, filters=Filters(**filters))
    return [item["keyPath"] for item in found]


NASTY = st.text(
    st.one_of(
        st.sampled_from("\"'\\/%_ \n\r\t,{}[]:\x01\x7f+&=?#éßÄ語🛰\u2028\ufeff\uffff"), st.characters(codec="utf-8")
    ),
    min_size=1,
    max_size=30,
).filter(lambda key: "\0" not in key)


@ALL_KINDS
@given(
    rows=st.lists(st.tuples(st.sampled_from(["A", "a b", "É", "a"]), NASTY, NASTY), unique=True, max_size=25),
    limit=st.integers(1, 9),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_pages_give_each_finding_once_and_in_order(
    database: Database, reader: Reader, kind: Kind, rows: list[tuple[str, str, str]], limit: int
) -> None:
    unique = {key if kind is ORPHANS else (collection, granule, key) for collection, granule, key in rows}
    findings = [
        Row(key, s3_etag=key) if isinstance(key, str) else Row(key[2], key[0], key[1], filename=key[2])
        for key in unique
    ]
    job_id = await add_job(database)
    await add_rows(database, job_id, kind.name, findings)
    await publish(database, job_id)

    paged = await all_items(reader, kind, job_id, limit=limit)
    async with database.reading() as connection:
        filtered = await all_items(connection, kind, job_id, limit=limit, filters=Filters(key_prefix=""))

    assert [tuple(item[name] for name in kind.key) for item in paged] == await in_database_order(database, kind, job_id)
    assert len(paged) == len(findings)
    assert filtered == paged


async def in_database_order(database: Database, kind: Kind, job_id: int) -> list[tuple[str, ...]]:
    statements = {
        "orphans": "SELECT key_path FROM orca.reconcile_orphan_report WHERE job_id = :id ORDER BY 1",
        "phantoms": """
            SELECT collection_id, granule_id, key_path FROM orca.reconcile_phantom_report WHERE job_id = :id ORDER BY 1, 2, 3
        """,
        "mismatches": """
            SELECT collection_id, granule_id, key_path FROM orca.reconcile_catalog_mismatch_report
            WHERE job_id = :id ORDER BY 1, 2, 3
        """,
    }
    async with database.reading() as connection:
        rows = await connection.execute(text(statements[kind.name]), {"id": job_id})
        return [tuple(row) for row in rows]


async def test_items_say_what_the_tables_say(database: Database, reader: Reader) -> None:
    job_id = await add_job(database)
    row = Row('a/"b".hdf', class_id=2, size=2**62, s3_storage_class="STANDARD")
    for kind in KINDS:
        await add_rows(database, job_id, kind, [row])
    await publish(database, job_id)

    both = {
        "collectionId": "MOD09GQ___006",
        "granuleId": "MOD09GQ.A1",
        "filename": "a.hdf",
        "keyPath": 'a/"b".hdf',
        "orcaEtag": '"aaa"',
        "orcaGranuleLastUpdate": BEFORE_MS,
        "orcaSizeInBytes": 2**62,
        "orcaStorageClass": "DEEP_ARCHIVE",
        "comment": None,
    }
    assert await all_items(reader, PHANTOMS, job_id) == [both]
    assert await all_items(reader, ORPHANS, job_id) == [
        {
            "keyPath": 'a/"b".hdf',
            "s3Etag": '"bbb"',
            "s3FileLastUpdate": BEFORE_MS,
            "s3SizeInBytes": 2**62,
            "s3StorageClass": "STANDARD",
            "comment": None,
        }
    ]
    assert await all_items(reader, MISMATCHES, job_id) == [
        both
        | {
            "cumulusArchiveLocation": "cumulus-protected",
            "s3Etag": '"bbb"',
            "s3FileLastUpdate": BEFORE_MS,
            "s3SizeInBytes": 2**62 + 1,
            "s3StorageClass": "STANDARD",
            "discrepancyType": "etag, size_in_bytes",
        }
    ]


@ALL_KINDS
async def test_a_finding_is_pending_from_the_time_that_the_report_was_published_with(
    database: Database, reader: Reader, kind: Kind
) -> None:
    job_id = await add_job(database)
    just_before = CREATED - timedelta(microseconds=1)
    rows = [
        Row("at", catalog_time=CREATED, s3_time=CREATED),
        Row("before", catalog_time=just_before, s3_time=just_before),
    ]
    await add_rows(database, job_id, kind.name, rows)
    await publish(database, job_id)

    comments = {item["keyPath"]: item["comment"] for item in await all_items(reader, kind, job_id)}
    assert comments == {"at": PENDING_COMMENT, "before": None}
    assert await keys_of(database, kind, job_id, pending=True) == ["at"]
    assert await keys_of(database, kind, job_id, pending=False) == ["before"]

    await publish(database, job_id, pending_from=just_before)
    assert len(await keys_of(database, kind, job_id, pending=True)) == 2


async def test_either_time_makes_a_mismatch_pending(database: Database) -> None:
    job_id = await add_job(database)
    rows = [Row("catalog", catalog_time=CREATED), Row("neither"), Row("s3", s3_time=CREATED)]
    await add_rows(database, job_id, "mismatches", rows)
    await publish(database, job_id)
    assert await keys_of(database, MISMATCHES, job_id, pending=True) == ["catalog", "s3"]


@ALL_KINDS
async def test_a_key_prefix_is_taken_letter_for_letter(database: Database, kind: Kind) -> None:
    keys = ["a%1", "a_1", "ab1", "a\\1", "A1", "a/É1", "É1", "e1"]
    job_id = await add_job(database)
    await add_rows(database, job_id, kind.name, [Row(key) for key in keys])
    await publish(database, job_id)
    for prefix in ("a%", "a_", "a\\", "a", "a/É", "É", "zz", ""):
        found = await keys_of(database, kind, job_id, key_prefix=prefix)
        assert set(found) == {key for key in keys if key.startswith(prefix)}, prefix


@pytest.mark.parametrize("kind", [PHANTOMS, MISMATCHES], ids=["phantoms", "mismatches"])
async def test_filters_combine(database: Database, kind: Kind) -> None:
    rows = [
        Row("1", "A", "x"),
        Row("2", "A", "y"),
        Row("3", "B", "x"),
        Row("4", "A", "x", catalog_time=CREATED),
        Row("5", "A", "x"),
    ]
    job_id = await add_job(database)
    await add_rows(database, job_id, kind.name, rows)
    await publish(database, job_id)
    assert await keys_of(database, kind, job_id, collection_id="A") == ["1", "4", "5", "2"]
    assert await keys_of(database, kind, job_id, granule_id="x") == ["1", "4", "5", "3"]
    assert await keys_of(database, kind, job_id, collection_id="A", granule_id="x", pending=False) == ["1", "5"]
    assert await keys_of(database, kind, job_id, collection_id="A", granule_id="x", key_prefix="5") == ["5"]
    assert await keys_of(database, kind, job_id, collection_id="a") == []


ALL_TYPES = (
    *("etag", "size_in_bytes", "storage_class", "etag, size_in_bytes", "etag, storage_class"),
    *("size_in_bytes, storage_class", "etag, size_in_bytes, storage_class"),
)


WANTED = {
    "etag": {kind for kind in ALL_TYPES if "etag" in kind},
    "size_in_bytes": {kind for kind in ALL_TYPES if "size" in kind},
    "storage_class": {kind for kind in ALL_TYPES if "class" in kind},
    "etag, size_in_bytes": {"etag, size_in_bytes"},
    "storage_class,etag": {"etag, storage_class"},
    "etag, size_in_bytes, storage_class": {"etag, size_in_bytes, storage_class"},
}


async def test_a_field_finds_all_that_differ_in_it_and_a_list_just_those(database: Database) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, "mismatches", [Row(kind, discrepancy=kind) for kind in ALL_TYPES])
    await publish(database, job_id)
    for wanted, found in WANTED.items():
        assert set(await keys_of(database, MISMATCHES, job_id, discrepancy_types=discrepancy_types(wanted))) == found


@pytest.mark.parametrize("wanted", ["", "size", "etag,", "ETag", "etag; size_in_bytes"])
def test_what_is_no_field_is_no_discrepancy_type(wanted: str) -> None:
    with pytest.raises(BadFilter, match="discrepancyType is one of"):
        discrepancy_types(wanted)


@ALL_KINDS
async def test_there_is_no_report_before_it_is_published(database: Database, reader: Reader, kind: Kind) -> None:
    for status in (1, 2, 3, 4):
        job_id = await add_job(database, status=status)
        await add_rows(database, job_id, kind.name, [Row("half-written")])
        with pytest.raises(ReportNotReady):
            await Report(kind, job_id, NO_GRACE).page(reader, limit=1)
        with pytest.raises(NoSuchJob):
            await Report(kind, job_id + 1, NO_GRACE).page(reader, limit=1)


@ALL_KINDS
async def test_an_old_report_stays_readable_while_the_job_runs_again(
    database: Database, reader: Reader, kind: Kind
) -> None:
    job_id = await add_job(database, status=3)
    await add_rows(database, job_id, kind.name, [Row("old")])
    await publish(database, job_id)
    assert [item["keyPath"] for item in await all_items(reader, kind, job_id)] == ["old"]


@ALL_KINDS
async def test_a_report_of_orcas_own_is_pending_by_the_grace_of_today(
    database: Database, reader: Reader, kind: Kind
) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, kind.name, [Row("k", catalog_time=BEFORE, s3_time=BEFORE)])
    comments = []
    for grace in (NO_GRACE, CREATED - BEFORE):
        page = await Report(kind, job_id, grace).page(reader, limit=1)
        comments.append(page.items[0].comment)
    assert comments == [None, PENDING_COMMENT]


@ALL_KINDS
async def test_a_cursor_is_good_for_its_own_report_only(database: Database, reader: Reader, kind: Kind) -> None:
    jobs = [await add_job(database) for _ in range(2)]
    for job_id in jobs:
        for one in KINDS:
            await add_rows(database, job_id, one, [Row("1"), Row("2")])
        await publish(database, job_id)
    cursor = (await Report(kind, jobs[0], NO_GRACE).page(reader, limit=1)).next_cursor
    each_filter: list[dict[str, Any]] = [{field.name: "given"} for field in fields(Filters)]
    others = [
        Report(kind, jobs[1], NO_GRACE),
        *(Report(kind, jobs[0], NO_GRACE, Filters(**one)) for one in each_filter),
        *(Report(other, jobs[0], NO_GRACE) for other in KINDS.values() if other is not kind),
    ]
    for other in others:
        with pytest.raises(BadCursor):
            await other.page(reader, limit=1, cursor=cursor)
    page = await Report(kind, jobs[0], NO_GRACE).page(reader, limit=5, cursor=cursor)
    assert [item.keyPath for item in page.items] == ["2"]
