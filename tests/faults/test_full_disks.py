"""Disks that are full: under the spool while an inventory is fetched, and under what DuckDB spills."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.settings import Settings
from tests.faults.conftest import Scenes
from tests.faults.scene import FETCHING
from tests.support.archive import catalog_file, insert_catalog
from tests.support.little_memory import IN_LITTLE_MEMORY, chosen
from tests.support.manifests import run
from tests.support.small_disk import fill, small_disk

OBJECTS = 130_000


@pytest.mark.parametrize("room_comes_back", [True, False])
async def test_a_spool_that_fills_up(scenes: Scenes, tmp_path: Path, room_comes_back: bool) -> None:
    scene = await scenes("duckdb")
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        scene.settings = scene.settings.model_copy(update={"spool_dir": disk / "spool"})
        async with scene.runner():
            async with scene.held_up(FETCHING):
                await scene.stuck_at(FETCHING)
                ballast = fill(disk)
            await scene.until("SELECT failures > 0 FROM orca.reconcile_run")
            if room_comes_back:
                ballast.unlink()
            await scene.ended()
        if room_comes_back:
            assert ((await scene.is_right()).attempt or 0) > 1
        else:
            ballast.unlink()
            await scene.is_void(f"The spool {disk / 'spool'}")


def write_inventory(folder: Path) -> str:
    """Write an inventory of keys that take more memory than the engine has, and do not compress."""
    letters = " || ".join(f"md5(number || '{part}')" for part in range(30))
    data = folder / "data.parquet"
    duckdb.execute(f"""
        COPY (SELECT 'orca-archive' AS bucket, {letters} AS key, number AS size, 'e' AS e_tag, 'GLACIER' AS storage_class,
                     TIMESTAMP '2020-01-01' AS last_modified_date
              FROM range({OBJECTS}) AS numbers (number))
        TO '{data}' (FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE 4096)
    """)
    raw = data.read_bytes()
    listed = {"key": data.name, "size": len(raw), "MD5checksum": hashlib.md5(raw, usedforsecurity=False).hexdigest()}
    manifest = folder / "manifest.json"
    manifest.write_text(
        json.dumps(
            {
                "sourceBucket": "orca-archive",
                "destinationBucket": "arn:aws:s3:::reports",
                "version": "2016-11-30",
                "creationTimestamp": "1715043600000",
                "fileFormat": "Parquet",
                "fileSchema": "message s3.inventory { required binary bucket (STRING); required binary key (STRING); "
                "optional int64 size; optional int64 last_modified_date (TIMESTAMP(MILLIS,true)); "
                "optional binary e_tag (STRING); optional binary storage_class (STRING); }",
                "files": [listed],
            }
        )
    )
    return manifest.as_uri()


@pytest.mark.parametrize("engine", ["duckdb", IN_LITTLE_MEMORY])
async def test_a_disk_without_room_for_what_duckdb_spills(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    await insert_catalog(database, [catalog_file("a")])
    with small_disk(tmp_path / "disk", 16 << 20) as disk:
        on_it = settings.model_copy(update={"spool_dir": disk / "spool", "memory_limit": 100_000_000})
        job = await run(database, on_it, write_inventory(tmp_path), engine=chosen(engine, monkeypatch))
        left = list((disk / "spool").rglob("*"))
    assert job.status == "error"
    assert "make room in RECONCILE_SPOOL_DIR" in str(job.error_message)
    async with database.reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM orca.reconcile_report"))).scalar_one() == 0
    assert left == []
