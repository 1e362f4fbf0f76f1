"""The commands about jobs: list them, have a manifest reconciled here or elsewhere, and say how it went."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.jobs import claim
from app.jobs.runner import Runner
from app.jobs.store import get_job
from app.settings import Settings
from tests.commands.conftest import Place
from tests.reports.published import CREATED, add_job
from tests.support.service import COMMAND, PATIENCE_S, command, serving
from tests.support.traces import WAITING


async def test_jobs_are_listed_newest_inventory_first(place: Place, jobs: list[int], database: Database) -> None:
    failed = await add_job(database, status=4, bucket="other[red]", created=CREATED.replace(year=2025))
    result = command("jobs", *place.arguments, **place.environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert "other[red]" in result.stdout
    lines = command("jobs", "--json", *place.arguments, **place.environment).stdout.splitlines()
    listed = [json.loads(line) for line in lines]
    assert [job["id"] for job in listed] == [failed, jobs[1], jobs[0]]
    assert listed[1]["reportTotals"] == {"orphan": 2, "phantom": 2, "catalogMismatch": 2}
    for filters in (("--status", "success", "--limit", "1"), ("--archive-location", "orca-archive", "--limit", "1")):
        (line,) = command("jobs", "--json", *filters, *place.arguments, **place.environment).stdout.splitlines()
        assert json.loads(line)["id"] == jobs[1]
    assert command("jobs", "--status", "done", *place.arguments, **place.environment).returncode == 2


def archive(folder: Path, findings: str, **environment: str) -> str:
    """Generate an archive of which that fraction differs, load its catalog, and give its manifest's path, by way of `..`."""
    command("generate", "--files", "1000", "--out", str(folder), "--findings", findings)
    assert command("catalog", "load", str(folder / "catalog.csv"), **environment).returncode == 0
    return os.path.relpath(folder / "inventory" / "manifest.json")


async def test_reconcile_ends_with_1_where_there_are_findings(place: Place, database: Database, tmp_path: Path) -> None:
    here = {"RECONCILE_DATABASE_URL": database.url}
    manifest = archive(tmp_path / "data" / "archive", "0.01", **here)
    result = command("reconcile", manifest, *place.arguments, **place.environment)
    assert result.returncode == 1, result.stderr
    assert "phantoms (in the catalog, not in S3)" in result.stdout
    assert "Traceback" not in result.stderr
    clean = archive(tmp_path / "data" / "clean", "0", **here)
    result = command("reconcile", clean, *place.arguments, **place.environment)
    assert (result.returncode, result.stderr) == (0, "")


async def test_without_following_it_is_submitted_only(place: Place, database: Database, tmp_path: Path) -> None:
    manifest = archive(tmp_path / "data" / "archive", "0", RECONCILE_DATABASE_URL=database.url)
    result = command("reconcile", manifest, "--no-follow", *place.arguments, **place.environment)
    assert (result.returncode, result.stdout) == (0, "Job 1 is queued.\n")


async def test_a_job_that_fails_ends_with_2_and_why(place: Place, database: Database, tmp_path: Path) -> None:
    manifest = archive(tmp_path / "data" / "archive", "0", RECONCILE_DATABASE_URL=database.url)
    data_file = next((tmp_path / "data" / "archive").rglob("*.csv.gz"))
    data_file.write_bytes(data_file.read_bytes()[:-9])
    result = command("reconcile", manifest, *place.arguments, **place.environment)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Job 1 ended in error" in result.stderr
    assert data_file.name in result.stderr.replace("\n", "")
    assert "Traceback" not in result.stderr


async def test_a_service_beside_it_leaves_what_it_may_not_read_to_the_command(
    database: Database, tmp_path: Path
) -> None:
    environment = {"RECONCILE_DATABASE_URL": database.url, "RECONCILE_DATA_DIR": str(tmp_path / "data")}
    manifest = archive(tmp_path / "elsewhere", "0", **environment)
    with serving(tmp_path / "log", **environment):
        for _ in range(3):
            result = await asyncio.to_thread(partial(command, "reconcile", manifest, **environment))
            assert (result.returncode, result.stderr) == (0, "")
    assert "outside the locations" not in (tmp_path / "log").read_text()


async def test_what_nobody_may_read_fails_in_the_end(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"RECONCILE_DATABASE_URL": database.url, "RECONCILE_MANIFEST_PREFIXES": '["file:///"]'}
    manifest = archive(tmp_path / "elsewhere", "0", **environment)
    assert command("reconcile", manifest, "--no-follow", **environment).returncode == 0
    runner = Runner(database, settings.model_copy(update={"manifest_prefixes": ("s3://another/",)}))
    assert not await runner.work_once()
    monkeypatch.setattr(claim, "LEFT_TO_OTHERS", timedelta(0))
    assert await runner.work_once()
    async with database.reading() as connection:
        job = await get_job(connection, 1)
    assert "outside the locations that this service may read" in str(job.error_message)


async def test_an_interrupt_cancels_what_is_worked_on_here(database: Database, tmp_path: Path) -> None:
    environment = {"RECONCILE_DATABASE_URL": database.url, "RECONCILE_DATA_DIR": str(tmp_path / "data")}
    manifest = archive(tmp_path / "elsewhere", "0", **environment)
    async with database.transaction() as connection:
        await connection.execute(text("LOCK TABLE orca.files IN ACCESS EXCLUSIVE MODE"))
        process = subprocess.Popen(
            [*COMMAND, "reconcile", manifest], stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        async with asyncio.timeout(PATIENCE_S), database.reading() as watching:
            while not await watching.scalar(text(WAITING), {"table": "orca.files"}):
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = await asyncio.to_thread(process.communicate)
    assert process.returncode == 130
    assert "Job 1 was cancelled." in said
    async with database.reading() as connection:
        job = await get_job(connection, 1)
    assert (job.status, job.error_message) == ("error", "cancelled")


async def test_no_manifest_no_job(place: Place, tmp_path: Path) -> None:
    result = command("reconcile", str(tmp_path / "data" / "none.json"), *place.arguments, **place.environment)
    assert (result.returncode, result.stdout) == (2, "")
    assert "no manifest" in result.stderr


@pytest.mark.parametrize("url", ["http://inventory/manifest.json", "S3://inventory/manifest.json"])
def test_another_kind_of_location_is_no_fault_of_the_settings(url: str) -> None:
    result = command("reconcile", url)
    assert (result.returncode, result.stdout) == (2, "")
    said = f"That location may not be read: '{url}' may not be read: it has to begin with s3:// or file:///.\n"
    assert result.stderr == said


async def test_following_goes_on_when_the_service_is_back(database: Database, tmp_path: Path) -> None:
    environment = {"RECONCILE_DATABASE_URL": database.url, "RECONCILE_DATA_DIR": str(tmp_path / "data")}
    manifest = archive(tmp_path / "data" / "archive", "0.01", RECONCILE_DATABASE_URL=database.url)
    async with database.transaction() as connection:
        # Nobody can read the catalog, so that the run is not done before its service is gone.
        await connection.execute(text("LOCK TABLE orca.files IN ACCESS EXCLUSIVE MODE"))
        with serving(tmp_path / "log", **environment) as (client, process):
            url, port = str(client.base_url), client.base_url.port
            following = subprocess.Popen(
                [*COMMAND, "reconcile", manifest, "--url", url],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            while not (page := client.get("/jobs").json()["jobs"]) or page[0]["attempt"] != 1:
                assert following.poll() is None
                await asyncio.sleep(0.1)
            process.kill()
            process.wait()
    assert port is not None
    with serving(tmp_path / "log again", port, **environment):
        printed, said = await asyncio.to_thread(following.communicate, timeout=PATIENCE_S)
    assert (following.returncode, said) == (1, "")
    assert "phantoms" in printed
