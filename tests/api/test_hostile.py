"""Text that nobody should send: quotes, NULs, surrogates, a megabyte, at everything that may reach SQL."""

from __future__ import annotations

import json
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db.engine import Database
from app.errors import BadManifest
from app.inventory.manifest import parse_manifest
from tests.inventory.building import manifest_bytes

MEGABYTE = 1_000_000
QUOTES = [
    "'",
    '"',
    "''",
    "'; DROP TABLE orca.files; --",
    "\\'",
    "$$",
    "%s",
    ":name",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff",
    "é",
    "🛰",
]
TEXTS = (
    st.sampled_from(QUOTES)
    | st.text(max_size=50)
    | st.lists(st.sampled_from(QUOTES), max_size=6).map("".join)
    | st.sampled_from([letter * MEGABYTE for letter in ("a", "'", '"', "\0", "é")])
)
IN_A_URL = TEXTS.map(lambda value: value.encode("utf-8", "surrogatepass")[:20_000])
OFTEN = settings(max_examples=30, suppress_health_check=list(HealthCheck))


def refused_or_answered(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    assert "sqlalchemy" not in answer.text.lower()
    assert "asyncpg" not in answer.text.lower()
    json.loads(answer.content)


@OFTEN
@given(value=IN_A_URL, name=st.sampled_from(["orcaArchiveLocation", "cursor", "status", "limit"]))
async def test_listings_of_jobs(client: httpx.AsyncClient, value: bytes, name: str) -> None:
    refused_or_answered(await client.get(f"/jobs?{name}={quote(value)}"))


@OFTEN
@given(
    value=IN_A_URL,
    name=st.sampled_from(["keyPrefix", "collectionId", "granuleId", "discrepancyType", "pending", "cursor", "format"]),
    kind=st.sampled_from(["phantoms", "orphans", "mismatches"]),
)
async def test_filters_of_reports(client: httpx.AsyncClient, value: bytes, name: str, kind: str) -> None:
    refused_or_answered(await client.get(f"/reports/1/{kind}?{name}={quote(value)}"))


@OFTEN
@given(value=TEXTS, field=st.sampled_from(["manifestUrl", "orcaArchiveLocation", "engine", "pageIndex", "jobId"]))
async def test_bodies(client: httpx.AsyncClient, value: str, field: str) -> None:
    orca = "/orca/datamanagement/reconciliation/internal/jobs"
    raw = json.dumps({field: value, "pageIndex": 0, "jobId": 1} | {field: value}).encode()
    for path in ("/jobs", "/jobs/1/reconcile", orca, f"{orca}/job/1/phantoms", f"{orca}/job/1/mismatches"):
        refused_or_answered(await client.post(path, content=raw, headers={"Content-Type": "application/json"}))


@OFTEN
@given(
    value=st.binary(max_size=50) | st.sampled_from([b"Bearer " + b"a" * MEGABYTE, b"Bearer \xed\xa0\x80", b"Bearer '"])
)
async def test_tokens(client: httpx.AsyncClient, value: bytes) -> None:
    refused_or_answered(await client.get("/jobs", headers={b"Authorization": value}))


@OFTEN
@given(bucket=TEXTS)
async def test_buckets_of_partitions(database: Database, bucket: str) -> None:
    """Whatever text PostgreSQL takes has a partition's name of its own, which is an identifier."""
    bucket = bucket.replace("\0", "").encode("utf-8", "ignore").decode()
    async with database.reading() as connection:
        names = "SELECT orca.reconcile_partition_name(:bucket), orca.reconcile_partition_of(:bucket)::text"
        name, partition = (await connection.execute(text(names), {"bucket": bucket})).one()
    assert len(name) <= 63
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_$")
    assert partition is None


@OFTEN
@given(bucket=TEXTS)
def test_buckets_of_manifests(bucket: str) -> None:
    """A manifest's bucket is one that S3 could have, or the manifest is refused."""
    manifest = json.loads(manifest_bytes("CSV", {}))
    try:
        parsed = parse_manifest(json.dumps({**manifest, "sourceBucket": bucket}).encode(), "s3://b/manifest.json")
    except BadManifest:
        pass
    else:
        assert parsed.source_bucket == bucket
        assert 3 <= len(bucket) <= 255
        assert bucket.isascii()


@pytest.mark.parametrize("value", ["'", "\ud800"])
async def test_what_is_refused_is_a_problem(client: httpx.AsyncClient, value: str) -> None:
    answer = await client.post("/jobs", content=json.dumps({"manifestUrl": value}).encode())
    assert answer.status_code in {403, 404, 422}
    assert answer.headers["Content-Type"] == "application/problem+json"
