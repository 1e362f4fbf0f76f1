"""Watching a folder: what is new is taken in once, what is old or not whole is not, what is bad is refused."""

from __future__ import annotations

import asyncio
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from app.arrival.destination import report_of, time_of
from app.arrival.watcher import CHECKSUM_PATIENCE, Round, Watcher
from app.db.engine import Database
from app.errors import LocationForbidden, StorageUnavailable
from app.settings import Settings
from tests.arrival.inventories import REPORT, day, deliver, manifest, taken_in


@pytest.fixture
def watcher(database: Database, settings: Settings, tmp_path: Path) -> Watcher:
    return again(database, settings, tmp_path)


def again(database: Database, settings: Settings, folder: Path, since: datetime | None = None) -> Watcher:
    return Watcher(database, settings, folder.as_uri(), since=since, interval=0.05)


def touch(url: str, age: timedelta) -> None:
    time = (datetime.now(UTC) - age).timestamp()
    os.utime(url.removeprefix("file://"), (time, time))


def test_a_dated_folder_belongs_to_the_report_around_it() -> None:
    assert time_of("2024-05-07T01-00Z") == day(7)
    assert time_of("2024-13-07T01-00Z") is None
    assert report_of(f"s3://b/{REPORT}/2024-05-07T01-00Z/manifest.json") == f"s3://b/{REPORT}"
    assert report_of("file:///a/copy/manifest.json") == "file:///a/copy"


async def test_where_nothing_is_known_everything_is_taken_in_once(
    watcher: Watcher, database: Database, tmp_path: Path
) -> None:
    urls = [
        deliver(tmp_path, day(1)),
        deliver(tmp_path, day(2)),
        deliver(tmp_path, day(1), report="reports/other/weekly", source="other"),
    ]
    assert await watcher.once() == Round(submitted=3)
    assert await watcher.once() == Round()
    assert await taken_in(database) == urls


async def test_what_comes_later_is_taken_in_whatever_its_order(
    watcher: Watcher, database: Database, tmp_path: Path
) -> None:
    first = deliver(tmp_path, day(5))
    await watcher.once()
    late = deliver(tmp_path, day(3))
    assert await watcher.once() == Round(submitted=1)
    assert await taken_in(database) == [first, late]


async def test_after_a_new_start_only_newer_ones_are_taken_in(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    known = deliver(tmp_path, day(5))
    await again(database, settings, tmp_path).once()
    deliver(tmp_path, day(4) + timedelta(hours=2))
    deliver(tmp_path, day(1))
    newer = deliver(tmp_path, day(6))
    assert await again(database, settings, tmp_path).once() == Round(submitted=1)
    assert await taken_in(database) == [known, newer]


async def test_two_reports_of_one_archive_location_do_not_hide_each_other(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    deliver(tmp_path, day(1), report="reports/orca-archive/weekly")
    deliver(tmp_path, day(5))
    await again(database, settings, tmp_path).once()
    deliver(tmp_path, day(4), report="reports/orca-archive/weekly")
    assert await again(database, settings, tmp_path).once() == Round(submitted=1)


async def test_of_an_unknown_report_the_archive_location_tells_what_is_old(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    deliver(tmp_path, day(5))
    await again(database, settings, tmp_path).once()
    deliver(tmp_path, day(4), report="copies")
    deliver(tmp_path, day(6), report="copies")
    assert await again(database, settings, tmp_path).once() == Round(submitted=1)


async def test_since_brings_back_what_was_left_out(database: Database, settings: Settings, tmp_path: Path) -> None:
    deliver(tmp_path, day(5))
    await again(database, settings, tmp_path).once()
    deliver(tmp_path, day(1))
    deliver(tmp_path, day(3))
    assert await again(database, settings, tmp_path, since=day(2)).once() == Round(submitted=1)


async def test_the_checksum_is_waited_for_but_not_for_ever(watcher: Watcher, tmp_path: Path) -> None:
    url = deliver(tmp_path, day(1), check=False)
    assert await watcher.once() == Round(waiting=1)
    touch(url, CHECKSUM_PATIENCE)
    assert await watcher.once() == Round(submitted=1)


async def test_the_checksum_ends_the_wait(watcher: Watcher, tmp_path: Path) -> None:
    deliver(tmp_path, day(1), check=False)
    assert await watcher.once() == Round(waiting=1)
    deliver(tmp_path, day(1))
    assert await watcher.once() == Round(submitted=1)


async def test_a_bad_manifest_is_refused_once_and_again_when_it_changes(
    watcher: Watcher, database: Database, tmp_path: Path
) -> None:
    url = deliver(tmp_path, day(1))
    path = Path(url.removeprefix("file://"))
    (path.parent / "manifest.checksum").write_text("0" * 32)
    good = deliver(tmp_path, day(2))
    with structlog.testing.capture_logs() as logs:
        assert await watcher.once() == Round(refused=1, submitted=1)
        assert await watcher.once() == Round()
    refusals = [entry for entry in logs if entry["event"] == "manifest refused"]
    assert [(entry["manifest_url"], "has the MD5" in entry["reason"]) for entry in refusals] == [(url, True)]
    deliver(tmp_path, day(1))
    assert await watcher.once() == Round(submitted=1)
    assert await taken_in(database) == [good, url]


async def test_a_manifest_that_is_written_anew_in_its_place_is_a_new_one(
    watcher: Watcher, database: Database, tmp_path: Path
) -> None:
    copy = tmp_path / "copy" / "manifest.json"
    copy.parent.mkdir()
    for number in (1, 2):
        copy.write_bytes(manifest(day(number)))
        touch(copy.as_uri(), CHECKSUM_PATIENCE + timedelta(minutes=number))
        assert await watcher.once() == Round(submitted=1)
    assert await taken_in(database) == [copy.as_uri()] * 2


async def test_folders_without_manifests_are_not_looked_into(watcher: Watcher, tmp_path: Path) -> None:
    deliver(tmp_path, day(1))
    deliver(tmp_path, day(2), report=f"{REPORT}/data")
    deliver(tmp_path, day(3), report="data/orca-archive/daily")  # here it is only a part of the prefix
    (tmp_path / "loop").symlink_to(tmp_path)
    assert await watcher.once() == Round(submitted=2)


async def test_a_folder_that_is_away_is_said_to_be(database: Database, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    watcher = again(database, settings, tmp_path / "mount")
    shutil.rmtree(tmp_path / "mount")
    with pytest.raises(StorageUnavailable, match="cannot be listed"):
        await watcher.once()


@pytest.mark.parametrize("prefix", ["file:///", "s3://inventory/", "s3://", "reports", "file:///a/../b/"])
async def test_only_allowed_prefixes_are_watched(database: Database, settings: Settings, prefix: str) -> None:
    with pytest.raises(LocationForbidden):
        Watcher(database, settings, prefix)


async def test_it_runs_until_it_is_stopped(watcher: Watcher, database: Database, tmp_path: Path) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(watcher.run(stop))
    for number in (1, 2):
        deliver(tmp_path, day(number))
        async with asyncio.timeout(10):
            while len(await taken_in(database)) < number:
                await asyncio.sleep(0.02)
    stop.set()
    await asyncio.wait_for(running, 5)


async def test_a_database_that_is_away_is_waited_for(settings: Settings, tmp_path: Path) -> None:
    deliver(tmp_path, day(1))
    away = Database.at("postgresql://127.0.0.1:1/none")
    stop = asyncio.Event()
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(again(away, settings, tmp_path).run(stop))
        async with asyncio.timeout(10):
            while not logs:
                await asyncio.sleep(0.02)
        stop.set()
        await asyncio.wait_for(running, 5)
    await away.dispose()
    assert (logs[0]["event"], logs[0]["log_level"]) == ("watching failed", "warning")
