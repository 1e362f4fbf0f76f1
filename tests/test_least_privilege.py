"""The whole service as ORCA's application login: it reads, writes and deletes rows, and makes, empties and owns nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.db.engine import Database
from app.db.migrations import upgrade
from tests.support.manifests import row, write
from tests.support.orca import orca_database
from tests.support.postgres import Server
from tests.support.service import command, ended, serving

DAY_MS = 86_400_000
CREATED = 1_715_043_600_000
LOGIN = "orca_user"
FORBIDDEN = (
    "CREATE TABLE orca.mine (id int)",
    "TRUNCATE orca.reconcile_s3_object",
    "ALTER TABLE orca.reconcile_run ADD COLUMN mine int",
    "DROP TABLE orca.reconcile_change",
    "CREATE ROLE mine",
)
OWNED = "SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = $1"
AGE = "UPDATE orca.reconcile_job SET last_update = now() - interval '60 days' WHERE id = $1"


async def refused(url: str) -> None:
    """See that the login has no more rights than ORCA gives it."""
    connection = await asyncpg.connect(url)
    try:
        rights = await connection.fetchrow(
            "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        )
        assert rights is not None
        assert not any(rights)
        for statement in FORBIDDEN:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def held(url: str, table: str) -> AsyncIterator[None]:
    """Let nobody read the table for the length of the block."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


def reconciled(client: httpx.Client, manifest: str, engine: str) -> int:
    job = ended(client, client.post("/jobs", json={"manifestUrl": manifest, "engine": engine}).json())
    assert (job["status"], job["errorMessage"], job["engine"]) == ("success", None, engine)
    return int(job["id"])


def keys(client: httpx.Client, path: str, name: str, **parameters: str) -> set[str]:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return {item["keyPath"] for item in answer.json()[name]}


async def test_the_service_needs_the_rights_of_the_application_login_only(server: Server, tmp_path: Path) -> None:
    first = write(tmp_path, [row("same"), row("stray")], created=CREATED)
    second = write(tmp_path, [row("same"), row("other stray")], created=CREATED + DAY_MS)
    elsewhere = write(tmp_path, [row("new", Bucket="new.bucket")], created=CREATED + 2 * DAY_MS, bucket="new.bucket")
    async with orca_database(server) as name:
        administrator = Database.at(server.url(name))
        await upgrade(administrator)
        await administrator.dispose()
        await refused(server.url(name, LOGIN))
        environment = {
            "RECONCILE_DATABASE_URL": server.url(name, LOGIN),
            "RECONCILE_DATA_DIR": str(tmp_path),
            "RECONCILE_MANIFEST_PREFIXES": json.dumps([tmp_path.as_uri() + "/"]),
        }
        with serving(tmp_path / "log", **environment) as (client, _):
            assert client.get("/readyz").status_code == 200
            # What ORCA staged; then both engines, the second of which replaces those rows and makes a new partition.
            assert ended(client, client.post("/jobs/1/reconcile").json())["status"] == "success"
            by_duckdb = reconciled(client, first, "duckdb")
            by_postgres = reconciled(client, second, "postgres")
            in_new_bucket = reconciled(client, elsewhere, "postgres")
            again = ended(client, client.post(f"/jobs/{by_postgres}/reconcile", json={"engine": "postgres"}).json())
            assert again["status"] == "success"

            assert keys(client, f"/reports/{by_duckdb}/orphans", "orphans") == {"stray"}
            assert keys(client, f"/reports/{by_postgres}/orphans", "orphans", keyPrefix="oth") == {"other stray"}
            assert "phantom" in keys(client, f"/reports/{by_postgres}/phantoms", "phantoms")
            assert keys(
                client, f"/reports/{by_postgres}/mismatches", "mismatches", discrepancyType="etag, size_in_bytes"
            )
            assert client.get(f"/reports/{by_postgres}").json()["totals"]["orphan"] == 1
            export = client.get(f"/reports/{by_postgres}/orphans", params={"format": "csv"})
            assert "other stray" in export.text
            changes = f"/reports/{by_postgres}/changes"
            assert keys(client, changes, "orphans", kind="orphans") == {"other stray"}
            assert keys(client, changes, "orphans", kind="orphans", change="resolved") == {"stray"}
            assert len(client.get("/jobs").json()["jobs"]) == 4
            assert b"orca_reconcile_findings" in client.get("/metrics").content
            # A run that waits for the catalog is sure to be there when it is cancelled.
            async with held(server.url(name), "orca.files"):
                waiting = client.post(f"/jobs/{by_postgres}/reconcile").json()
                assert client.post(f"/jobs/{waiting['id']}/cancel").status_code == 202
                cancelled = ended(client, client.get(f"/jobs/{waiting['id']}").json())
                assert (cancelled["status"], cancelled["errorMessage"]) == ("error", "cancelled")
            assert client.delete(f"/jobs/{in_new_bucket}").status_code == 204

        connection = await asyncpg.connect(server.url(name))
        try:
            assert await connection.fetchval("SELECT count(*) FROM orca.reconcile_change") > 0
            assert await connection.fetchval(OWNED, LOGIN) == 0
            await connection.execute(AGE, 1)
            purged = command("purge", **environment, RECONCILE_RETENTION_DAYS="30")
            assert "1 jobs were purged" in purged.stdout, purged.stderr
            assert await connection.fetchval("SELECT count(*) FROM orca.reconcile_orphan_report WHERE job_id = 1") == 0
        finally:
            await connection.close()
