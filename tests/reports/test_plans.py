"""How PostgreSQL reads a page: a range of the primary key, and no sort, wherever the page is."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import asyncpg
import pytest
import pytest_asyncio

from app.db.engine import Database
from app.db.reader import Prepared
from app.reports.findings import KINDS, Filters, Kind
from app.reports.pages import _prepared
from tests.reports.published import add_job

ROWS = 100_000
PRIMARY_KEYS = {
    "phantoms": "pk_reconcile_phantom_report",
    "orphans": "pk_reconcile_orphan_report",
    "mismatches": "pk_reconcile_catalog_mismatch_report",
}
FILL = {
    "phantoms": """
        INSERT INTO orca.reconcile_phantom_report
        SELECT $1, 'c' || i % 10, 'g' || i % 1000, 'f', 'k' || md5(i::text), '"e"', now(), i, 1
        FROM generate_series(1, $2) AS i
    """,
    "orphans": """
        INSERT INTO orca.reconcile_orphan_report
        SELECT $1, 'k' || md5(i::text), '"e"', now(), i, 'GLACIER' FROM generate_series(1, $2) AS i
    """,
    "mismatches": """
        INSERT INTO orca.reconcile_catalog_mismatch_report
        SELECT $1, 'c' || i % 10, 'g' || i % 1000, 'f', 'k' || md5(i::text), 'b', '"e"', '"f"', now(), now(), i, i, 1,
               'GLACIER', 'etag'
        FROM generate_series(1, $2) AS i
    """,
}
FILTERS = {
    "collection": Filters(collection_id="c5"),
    "granule": Filters(collection_id="c5", granule_id="g505"),
    "prefix": Filters(key_prefix="k1"),
    "pending": Filters(pending=True),
    "type": Filters(discrepancy_types=("etag",)),
}
PLACES = {"first": ("", "", ""), "middle": ("c5", "g5", "k5"), "last": ("c9", "g999", "kf")}


@pytest_asyncio.fixture(loop_scope="session")
async def connection(database: Database) -> asyncpg.Connection:
    connection = await asyncpg.connect(database.url, server_settings={"plan_cache_mode": "force_generic_plan"})
    yield connection
    await connection.close()


async def explain(connection: asyncpg.Connection, statement: Prepared, values: dict[str, object]) -> str:
    """Give the plan that a reader's connection has for a statement."""
    await connection.execute("PREPARE page AS " + statement.sql)
    literals = await connection.fetchval(
        "SELECT string_agg(quote_nullable(value), ', ' ORDER BY place) FROM unnest($1::text[]) WITH ORDINALITY AS t(value, place)",
        [_literal(values[name]) for name in statement.names],
    )
    rows = await connection.fetch(
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE page (" + literals + ")"
    )
    await connection.execute("DEALLOCATE page")
    return "\n".join(row[0] for row in rows)


def _literal(value: object) -> str | None:
    """Write a value as PostgreSQL reads it."""
    if value is None:
        return None
    return "{" + ",".join(f'"{one}"' for one in value) + "}" if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
async def test_every_page_is_a_range_of_the_primary_key(
    database: Database, connection: asyncpg.Connection, kind: Kind
) -> None:
    job_id = await add_job(database)
    other = await add_job(database, created=datetime(2024, 5, 1, tzinfo=UTC))
    for job in (job_id, other):
        await connection.execute(FILL[kind.name], job, ROWS)
    await connection.execute("ANALYZE")
    for name, place in PLACES.items():
        after = dict(zip(("after_collectionId", "after_granuleId", "after_keyPath"), place, strict=True))
        values = {"job_id": job_id, "grace": timedelta(0), "comment": "c", **after}
        plan = await explain(connection, _prepared(kind, filtered=False, limit=100), values)
        assert f"Index Scan using {PRIMARY_KEYS[kind.name]}" in plan, (name, plan)
        assert re.search(r"Index Cond: \(\(job_id = \$\d\) AND \(.*> ", plan), (name, plan)
        assert "Sort" not in plan, (name, plan)
        scanned = [int(rows) for rows in re.findall(r"Index Scan using pk_reconcile_\w+_report .*?rows=(\d+)", plan)]
        assert max(scanned) <= 101, (name, plan)


async def test_the_last_page_reads_no_more_than_the_first(database: Database, connection: asyncpg.Connection) -> None:
    job_id = await add_job(database)
    await connection.execute(FILL["orphans"], job_id, ROWS)
    await connection.execute("ANALYZE")
    read = []
    for key in ("", "k8", "kff"):
        values: dict[str, object] = {"job_id": job_id, "grace": timedelta(0), "comment": "c", "after_keyPath": key}
        plan = await explain(connection, _prepared(KINDS["orphans"], filtered=False, limit=100), values)
        read.append(sum(int(hits) for hits in re.findall(r"shared hit=(\d+)", plan.splitlines()[1])))
    assert all(later <= earlier * 1.5 for earlier, later in pairwise(read)), read


@pytest.mark.parametrize("kind", ["phantoms", "orphans", "mismatches"])
async def test_a_filter_keeps_to_the_primary_key(database: Database, connection: asyncpg.Connection, kind: str) -> None:
    job_id = await add_job(database)
    await connection.execute(FILL[kind], job_id, ROWS)
    await connection.execute("ANALYZE")
    await connection.execute("SET plan_cache_mode = force_custom_plan")
    allowed = {"collection": {"collectionId"}, "granule": {"granuleId"}, "type": {"discrepancyType"}}
    for name, filters in FILTERS.items():
        if not allowed.get(name, set()) <= KINDS[kind].filters:
            continue
        after = {"after_collectionId": "", "after_granuleId": "", "after_keyPath": ""}
        values = {"job_id": job_id, "grace": timedelta(0), "comment": "c", **after, **asdict(filters)}
        plan = await explain(connection, _prepared(KINDS[kind], filtered=True, limit=100), values)
        assert f"Index Scan using {PRIMARY_KEYS[kind]}" in plan, (name, plan)
        assert "Sort" not in plan, (name, plan)
        # The report's pages of the filter's own range are all that is read: the rest of a report costs nothing.
        condition = re.search(r"Index Cond: (\(.*job_id = .*)", plan)
        assert condition, (name, plan)
        for column, value in (("collection_id", filters.collection_id), ("granule_id", filters.granule_id)):
            assert value is None or f"{column} = '{value}'" in condition[1], (name, plan)
            removed = [int(rows) for rows in re.findall(r"Rows Removed by Filter: (\d+)", plan)]
            assert value is None or sum(removed) == 0, (name, plan)
