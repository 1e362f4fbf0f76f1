"""How PostgreSQL finds what changed: ranges of primary keys side by side, or probes where one side is small."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event, text

from app.db.engine import Database
from app.reports.change_pages import TABLES, Change
from app.reports.changes import Wanted, read_changes
from app.reports.findings import KINDS, ORPHANS, Kind
from tests.reports.published import CREATED, add_job, publish
from tests.reports.test_plans import PRIMARY_KEYS

ROWS = 20_000
FILL = {
    "phantoms": "SELECT :id, 'c' || i % 10, 'g' || i % 1000, 'f', 'k' || md5(i::text), '\"e\"', now(), i, 1",
    "orphans": "SELECT :id, 'k' || md5(i::text), '\"e\"', now(), i, 'GLACIER'",
    "mismatches": "SELECT :id, 'c' || i % 10, 'g' || i % 1000, 'f', 'k' || md5(i::text), 'b', '\"e\"', '\"f\"', now(), "
    "now(), i, i, 1, 'GLACIER', 'etag'",
}
NO_GRACE = timedelta(0)


async def filled(database: Database, kind: Kind, place: int, first: int, last: int) -> int:
    """Publish findings that PostgreSQL knows nothing of yet: neither counted nor vacuumed."""
    job_id = await add_job(database, created=CREATED + timedelta(days=place))
    async with database.transaction() as connection:
        await connection.execute(
            text(
                f"INSERT INTO {TABLES[kind.name]} {FILL[kind.name]} "
                "FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS i"
            ),
            {"id": job_id, "first": first, "last": last},
        )
    await publish(database, job_id)
    return job_id


async def plans(database: Database, job_id: int, wanted: Wanted) -> dict[str, str]:
    """Give the plans of what a page executes, run once more as it was: `keys`, `items` and `count`."""
    executed: list[tuple[str, tuple[Any, ...]]] = []

    def note(_connection: object, _cursor: object, statement: str, values: tuple[Any, ...], *_: object) -> None:
        executed.append((statement, values))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        await read_changes(database, job_id, grace=NO_GRACE, wanted=wanted)
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    found = {}
    connection = await asyncpg.connect(database.url)
    async with connection.transaction():
        for statement, values in executed:
            if TABLES[wanted.kind.name] in statement:
                rows = await connection.fetch(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement}", *values)
                name = "items" if "firstJobId" in statement else "count" if "count(*)" in statement else "keys"
                found[name] = "\n".join(row[0] for row in rows)
            elif "set_config" in statement:
                await connection.fetch(statement)
    await connection.close()
    return found


@pytest.mark.parametrize("change", ["new", "resolved", "persisting"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
async def test_two_large_reports_are_read_side_by_side_from_where_the_page_begins(
    database: Database, kind: Kind, change: Change
) -> None:
    await filled(database, kind, 0, 1, ROWS)
    job_id = await filled(database, kind, 1, 301, ROWS + 300)
    first = await read_changes(database, job_id, grace=NO_GRACE, wanted=Wanted(kind, change))
    assert first.page is not None
    cursors = {"first": None, "second": first.page.next_cursor}
    for page, cursor in cursors.items():
        plan = await plans(database, job_id, Wanted(kind, change, cursor=cursor))
        assert "Merge" in plan["keys"], (page, plan["keys"])
        assert "Sort" not in plan["keys"], (page, plan["keys"])
        scans = re.findall(rf"Index Only Scan using {PRIMARY_KEYS[kind.name]}", plan["keys"])
        assert len(scans) == 2, (page, plan["keys"])
        ranges = re.findall(r"Index Cond: \(\(job_id = \S+\) AND \(.* > ", plan["keys"])
        assert len(ranges) == 2, (page, plan["keys"])
        looked_up = re.findall(rf"using {PRIMARY_KEYS[kind.name]} .*?rows=([\d.]+) loops=(\d+)", plan["items"])
        assert looked_up
        assert all(float(rows) <= 1 and int(loops) <= 200 for rows, loops in looked_up), plan["items"]


async def test_few_findings_are_looked_up_among_many(database: Database) -> None:
    await filled(database, ORPHANS, 0, 1, ROWS)
    job_id = await filled(database, ORPHANS, 1, ROWS - 9, ROWS + 10)
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM orca.reconcile_change"))
    for change, number in (("new", 10), ("persisting", 10)):
        plan = await plans(database, job_id, Wanted(ORPHANS, change))  # type: ignore[arg-type]  # one of the three
        read = re.findall(r"using pk_reconcile_orphan_report .*?rows=([\d.]+) loops=(\d+)", plan["keys"])
        assert sum(float(rows) * int(loops) for rows, loops in read) <= 20 + number + 10, plan["keys"]


async def test_both_are_counted_by_their_keys_alone(database: Database) -> None:
    await filled(database, ORPHANS, 0, 1, ROWS)
    job_id = await filled(database, ORPHANS, 1, 301, ROWS + 300)
    plan = (await plans(database, job_id, Wanted(ORPHANS)))["count"]
    assert "Merge Join" in plan
    assert plan.count("Index Only Scan using pk_reconcile_orphan_report") == 2
