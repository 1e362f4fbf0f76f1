"""What lies in a spool: kept for as long as a run may want it, and swept when none does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from app.db.alongside import alongside
from app.db.engine import Database
from app.jobs import spool as spools
from app.jobs.claim import claimed
from app.jobs.requests import cancel, submit
from app.jobs.spool import keep_sweeping, sweep
from app.settings import Settings
from tests.support.manifests import write
from tests.support.old_jobs import do

OF_RUNS = """
    SELECT run.state, 'run-' || run.id, manifest_md5 FROM orca.reconcile_run AS run JOIN orca.reconcile_manifest USING (job_id)
"""


def put_into(spool: Path, *names: str) -> None:
    for name in names:
        (spool / name).mkdir(parents=True)
        (spool / name / "part").write_bytes(b"x")


def lying_in(spool: Path) -> set[str]:
    return {path.name for path in spool.iterdir()}


async def test_what_a_queued_or_a_running_run_may_want_is_kept(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    for bucket, created in (("running", 1), ("queued", 2), ("ended", 3)):
        url = write(tmp_path, [], created=created, bucket=bucket)
        job, _ = await submit(database, settings, manifest_url=url)
    await cancel(database, job.id)
    put_into(settings.spool, "somebody-else-s", "run-77", "0" * 32)
    async with claimed(database):
        async with database.reading() as connection:
            folders = {state: {run, md5} for state, run, md5 in await connection.execute(text(OF_RUNS))}
        assert folders.keys() == {"running", "queued", "cancelled"}
        put_into(settings.spool, *set().union(*folders.values()))
        await sweep(database, settings.spool)
    assert lying_in(settings.spool) == {"somebody-else-s", *folders["running"], *folders["queued"]}


@pytest.mark.parametrize(
    ("renamed", "back", "told"),
    [
        ("reconcile_manifest RENAME TO gone", "gone RENAME TO reconcile_manifest", set()),
        (
            "reconcile_manifest RENAME manifest_md5 TO gone",
            "reconcile_manifest RENAME gone TO manifest_md5",
            {"sweeping failed"},
        ),
    ],
    ids=["not migrated", "a fault of its own"],
)
async def test_a_sweep_that_fails_is_told_unless_others_tell_it_and_the_next_one_sweeps(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, renamed: str, back: str, told: set[str]
) -> None:
    """Whoever looks for work says that a database cannot be used."""
    monkeypatch.setattr(spools, "INTERVAL_S", 0.05)
    put_into(settings.spool, "run-77")
    await do(database, f"ALTER TABLE orca.{renamed}")
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(20), alongside(keep_sweeping(database, settings.spool)):
            await asyncio.sleep(0.5)
            while told and not logs:
                await asyncio.sleep(0.02)
            assert lying_in(settings.spool) == {"run-77"}
            await do(database, f"ALTER TABLE orca.{back}")
            while lying_in(settings.spool):
                await asyncio.sleep(0.02)
    assert {entry["event"] for entry in logs} == told
