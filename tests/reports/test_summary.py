"""The summary: stored totals and roll-ups, and how those of ORCA's own reports come to be."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.compare.summary import MOST_PREFIXES
from app.db.engine import Database
from app.errors import NoSuchJob, ReportNotReady
from app.reports.findings import KINDS
from app.reports.summary import Summary, Tallies, Tally, read_summary
from tests.reports.published import BEFORE, CREATED, Row, add_job, add_rows, publish

NO_GRACE = timedelta(0)


async def summary(database: Database, job_id: int, depth: int = 1, grace: timedelta = NO_GRACE) -> Summary:
    return await read_summary(database, job_id, depth=depth, grace=grace)


async def test_it_adds_up_all_three_reports(database: Database) -> None:
    job_id = await add_job(database)
    other = await add_job(database)
    phantoms = [Row("a/b/1", "A", size=1), Row("a/c/2", "A", size=2, catalog_time=CREATED), Row("3", "B", size=4)]
    orphans = [Row("a/b/c/d/4", size=8), Row("x/5", size=16, s3_time=datetime(2024, 6, 2, 23, 59, tzinfo=UTC))]
    mismatches = [Row("a/6", "B", size=31, catalog_time=CREATED), Row("a/7", "B", size=63, discrepancy="etag")]
    await add_rows(database, job_id, "phantoms", phantoms)
    await add_rows(database, job_id, "orphans", orphans)
    await add_rows(database, job_id, "mismatches", mismatches)
    await add_rows(database, other, "phantoms", [Row("other")])
    await publish(database, job_id)
    await publish(database, other)

    found = await summary(database, job_id)
    assert found.total == Tallies(phantom=Tally(3, 1, 7), orphan=Tally(2, 1, 24), mismatch=Tally(2, 1, 96))
    assert found.parts == {
        "collection": {
            "B": Tallies(phantom=Tally(1, 0, 4), mismatch=Tally(2, 1, 96)),
            "A": Tallies(phantom=Tally(2, 1, 3)),
        },
        "discrepancy": {
            "etag": Tallies(mismatch=Tally(1, 0, 64)),
            "etag, size_in_bytes": Tallies(mismatch=Tally(1, 1, 32)),
        },
        "prefix": {
            "a/": Tallies(phantom=Tally(2, 1, 3), orphan=Tally(1, 0, 8), mismatch=Tally(2, 1, 96)),
            "": Tallies(phantom=Tally(1, 0, 4)),
            "x/": Tallies(orphan=Tally(1, 1, 16)),
        },
        "day": {
            "2024-05-20": Tallies(phantom=Tally(2, 0, 5), orphan=Tally(1, 0, 8), mismatch=Tally(2, 1, 96)),
            "2024-06-01": Tallies(phantom=Tally(1, 1, 2)),
            "2024-06-02": Tallies(orphan=Tally(1, 1, 16)),
        },
    }
    assert list(found.parts["collection"]) == ["B", "A"]
    assert list(found.parts["day"]) == ["2024-05-20", "2024-06-01", "2024-06-02"]
    assert (found.engine, found.inventory_objects, found.catalog_files) == ("duckdb", 7, 8)
    assert found.warnings == ["a warning"]
    deeper = [(await summary(database, job_id, depth)).parts["prefix"] for depth in (2, 3)]
    assert set(deeper[0]) == {"a/", "a/b/", "a/c/", "", "x/"}
    assert set(deeper[1]) == {"a/", "a/b/", "a/b/c/", "a/c/", "", "x/"}


async def test_pending_is_what_either_time_makes_so_from_the_very_moment_on(database: Database) -> None:
    job_id = await add_job(database)
    before = CREATED - timedelta(microseconds=1)
    rows = [
        Row("catalog", catalog_time=CREATED, s3_time=before),
        Row("neither", catalog_time=before, s3_time=before),
        Row("s3", catalog_time=before, s3_time=CREATED),
    ]
    for kind in KINDS:
        await add_rows(database, job_id, kind, rows)
    await publish(database, job_id)
    total = (await summary(database, job_id)).total
    assert (total.phantom.pending, total.orphan.pending, total.mismatch.pending) == (1, 1, 2)


async def test_days_are_written_alike_whatever_the_database_s_way_with_dates(database: Database) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, "phantoms", [Row("k")])
    german = Database.at(f"{database.url}&datestyle=German")
    await publish(german, job_id)
    await german.dispose()
    assert list((await summary(database, job_id)).parts["day"]) == ["2024-05-20"]


async def test_publishing_again_replaces_it(database: Database) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, "phantoms", [Row("gone/1"), Row("gone/2")])
    await publish(database, job_id)
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM orca.reconcile_phantom_report"))
    await add_rows(database, job_id, "orphans", [Row("new/1")])
    await publish(database, job_id)
    found = await summary(database, job_id)
    assert found.total == Tallies(orphan=Tally(1, 0, 10))
    assert list(found.parts["prefix"]) == ["new/"]


async def test_an_empty_report_adds_up_to_nothing(database: Database) -> None:
    job_id = await add_job(database)
    await publish(database, job_id)
    found = await summary(database, job_id)
    assert (found.total, found.parts) == (Tallies(), {})


async def test_only_the_fullest_prefixes_are_kept(database: Database) -> None:
    job_id = await add_job(database)
    async with database.transaction() as connection:
        await connection.execute(
            text("""
                INSERT INTO orca.reconcile_orphan_report
                SELECT :job_id, format('%s/%s', i, j), '"e"', '2020-01-01Z', 9223372036854775807, 'GLACIER'
                FROM generate_series(1, 1100) AS i, generate_series(1, CASE WHEN i > 1090 THEN 2 ELSE 1 END) AS j
            """),
            {"job_id": job_id},
        )
    await publish(database, job_id)
    found = await summary(database, job_id)
    assert len(found.parts["prefix"]) == MOST_PREFIXES
    assert set(list(found.parts["prefix"])[:10]) == {f"{number}/" for number in range(1091, 1101)}
    assert found.total.orphan == Tally(1110, 0, 2**63 - 1)


async def test_that_of_orcas_own_report_is_computed_once_and_stored(database: Database) -> None:
    job_id = await add_job(database)
    await add_rows(database, job_id, "phantoms", [Row("a/1", catalog_time=BEFORE)])
    first, second = await asyncio.gather(
        summary(database, job_id, grace=CREATED - BEFORE), summary(database, job_id, grace=CREATED - BEFORE)
    )
    assert first == second == await summary(database, job_id)
    assert first.total.phantom == Tally(1, 1, 10)
    assert (first.engine, first.published_at, first.compared_fields) == (
        None,
        CREATED + timedelta(hours=3),
        ["etag", "size_in_bytes", "storage_class"],
    )


async def test_there_is_none_before_the_report(database: Database) -> None:
    for status in (1, 2, 3, 4):
        job_id = await add_job(database, status=status)
        with pytest.raises(ReportNotReady):
            await summary(database, job_id)
        with pytest.raises(NoSuchJob):
            await summary(database, job_id + 1)
