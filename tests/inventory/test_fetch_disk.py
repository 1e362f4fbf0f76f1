"""Data files of this machine: found, allowed, and verified where they lie."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.errors import BadInventory, LocationForbidden
from app.inventory.fetch import fetch, release
from app.inventory.storage import Located, read_manifest
from tests.inventory.building import manifest_bytes

CONTENT = {"reports/data/0.csv.gz": b"first" * 1000, "reports/data/1.csv.gz": b"second" * 3_000_000}


def quiet(_done: int, _total: int) -> None: ...


async def located(root: Path, listed: dict[str, bytes], folder: str = "reports/2026-03-01") -> Located:
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / "manifest.json").write_bytes(manifest_bytes("CSV", listed))
    return await read_manifest(f"file://{root}/{folder}/manifest.json", [f"file://{root}/"])


def lay_down(root: Path, contents: dict[str, bytes]) -> list[Path]:
    for key, content in contents.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(content)
    return [root / key for key in contents]


async def test_files_are_verified_where_they_lie(tmp_path: Path, spool: Path) -> None:
    paths = lay_down(tmp_path, CONTENT)
    manifest = await located(tmp_path, CONTENT)
    told: list[tuple[int, int]] = []
    assert list(await fetch(manifest, [f"file://{tmp_path}"], spool, lambda *done: told.append(done))) == paths
    total = manifest.manifest.size_in_bytes
    assert told[-1] == (total, total)
    assert told == sorted(told)
    release(spool, manifest)
    assert [path for path in (*paths, spool) if path.exists()] == paths


async def test_an_inventory_of_nothing_has_no_files(tmp_path: Path, spool: Path) -> None:
    assert await fetch(await located(tmp_path, {}), [f"file://{tmp_path}"], spool, quiet) == ()


async def test_the_nearest_folder_above_the_manifest_stands_for_the_bucket(tmp_path: Path, spool: Path) -> None:
    listed = {"data/0.csv.gz": b"right"}
    lay_down(tmp_path, {"data/0.csv.gz": b"wrong", "a/data/0.csv.gz": b"right", "a/b/c/other/0.csv.gz": b"wrong"})
    [path] = await fetch(await located(tmp_path, listed, "a/b/c"), [f"file://{tmp_path}"], spool, quiet)
    assert path == tmp_path / "a" / "data" / "0.csv.gz"


async def test_a_bare_name_lies_beside_the_manifest(tmp_path: Path, spool: Path) -> None:
    listed = {"0.csv.gz": b"here"}
    lay_down(tmp_path, {"reports/2026-03-01/0.csv.gz": b"here"})
    [path] = await fetch(await located(tmp_path, listed), [f"file://{tmp_path}"], spool, quiet)
    assert path.read_bytes() == b"here"


async def test_above_the_allowed_prefix_nothing_is_looked_for(tmp_path: Path, spool: Path) -> None:
    lay_down(tmp_path, {"data/0.csv.gz": b"above"})
    manifest = await located(tmp_path, {"data/0.csv.gz": b"above"})
    with pytest.raises(BadInventory, match=r"data/0\.csv\.gz is missing"):
        await fetch(manifest, [f"file://{tmp_path}/reports/"], spool, quiet)


@pytest.mark.parametrize(
    "key", ["../data/0.csv.gz", "/etc/hostname", "a/../../data/0.csv.gz", "./0.csv.gz", "a//0.csv.gz"]
)
async def test_a_key_that_is_no_plain_path_is_forbidden(tmp_path: Path, spool: Path, key: str) -> None:
    lay_down(tmp_path, {"data/0.csv.gz": b"x"})
    manifest = await located(tmp_path, {key: b"x"})
    with pytest.raises(LocationForbidden, match="is no plain path"):
        await fetch(manifest, [f"file://{tmp_path}"], spool, quiet)


async def test_a_link_that_leads_out_is_forbidden(tmp_path: Path, spool: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    lay_down(outside, {"data/0.csv.gz": b"x"})
    manifest = await located(inside, {"data/0.csv.gz": b"x"})
    (inside / "reports" / "data").symlink_to(outside / "data")
    with pytest.raises(LocationForbidden, match="outside the locations"):
        await fetch(manifest, [f"file://{inside}/"], spool, quiet)


async def test_a_link_that_stays_inside_is_followed(tmp_path: Path, spool: Path) -> None:
    lay_down(tmp_path, {"elsewhere/0.csv.gz": b"x"})
    manifest = await located(tmp_path, {"data/0.csv.gz": b"x"})
    (tmp_path / "reports" / "data").symlink_to(tmp_path / "elsewhere")
    [path] = await fetch(manifest, [f"file://{tmp_path}/"], spool, quiet)
    assert path == tmp_path / "elsewhere" / "0.csv.gz"


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"FIRST" * 1000, "has the MD5 "),
        (b"first" * 1000 + b"!", "has 5,001 bytes, and the manifest says 5,000"),
        (b"first" * 999, "has 4,995 bytes, and the manifest says 5,000"),
        (b"", "has 0 bytes"),
    ],
)
async def test_a_file_that_is_not_what_the_manifest_says_is_named(
    tmp_path: Path, spool: Path, content: bytes, wrong: str
) -> None:
    lay_down(tmp_path, {**CONTENT, "reports/data/0.csv.gz": content})
    manifest = await located(tmp_path, CONTENT)
    with pytest.raises(BadInventory, match=f"reports/data/0.csv.gz {wrong}"):
        await fetch(manifest, [f"file://{tmp_path}"], spool, quiet)


async def test_a_file_that_is_missing_is_named(tmp_path: Path, spool: Path) -> None:
    with pytest.raises(BadInventory, match=r"reports/data/[01]\.csv\.gz is missing: the manifest lists it"):
        await fetch(await located(tmp_path, CONTENT), [f"file://{tmp_path}"], spool, quiet)


async def test_a_manifest_that_is_no_longer_allowed_is_not_fetched(tmp_path: Path, spool: Path) -> None:
    manifest = await located(tmp_path, CONTENT)
    with pytest.raises(LocationForbidden):
        await fetch(manifest, [f"file://{tmp_path}/elsewhere/"], spool, quiet)


async def test_the_event_loop_stays_free_and_cancelling_is_prompt(tmp_path: Path, spool: Path) -> None:
    large = tmp_path / "large.csv.gz"
    manifest = await located(tmp_path, {"large.csv.gz": bytes(64 << 20)})
    large.write_bytes(bytes(64 << 20))
    clock = asyncio.get_running_loop().time
    begun = asyncio.Event()
    task = asyncio.create_task(fetch(manifest, [f"file://{tmp_path}"], spool, lambda *_: begun.set()))
    await begun.wait()
    asked = clock()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock() - asked < 0.5
