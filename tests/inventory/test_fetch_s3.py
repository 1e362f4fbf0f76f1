"""Data files of a real S3: streamed to the spool, verified on their way, resumed, bounded, and cleaned up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import obstore
import pytest
from obstore.store import S3Store

from app.errors import BadInventory, StorageUnavailable
from app.inventory import s3 as s3_module
from app.inventory.columns import FileFormat
from app.inventory.download import PARTIAL, PIECE
from app.inventory.fetch import CONNECTIONS, fetch, release
from app.inventory.relation import InventoryFiles
from app.inventory.storage import Located, read_manifest
from tests.inventory.building import DESTINATION, FORMATS, Row, answers, data_file, expected, manifest_bytes
from tests.support.seaweed import Seaweed
from tests.support.unruly import Unruly

ALLOWED = [f"s3://{DESTINATION}/"]
SEEDED = random.Random(20260301)
LARGE = SEEDED.randbytes(5 * PIECE + 12345)
CONTENT = {
    "a/data/0 ü+%.csv.gz": SEEDED.randbytes(1000),
    "a/data/1.csv.gz": LARGE,
    "a/data/2.csv.gz": b"",
    "a/data/3.csv.gz": SEEDED.randbytes(PIECE),
    "a/data/4.csv.gz": SEEDED.randbytes(PIECE + 1),
}


def quiet(_done: int, _total: int) -> None: ...


@pytest.fixture(scope="session")
def destination(seaweed: Seaweed) -> S3Store:
    store = seaweed.bucket(DESTINATION)
    for key, content in CONTENT.items():
        obstore.put(store, key, content)
    return store


@pytest.fixture
def counted() -> Iterator[list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    yield told
    assert told == sorted(told)


async def located(destination: S3Store, listed: dict[str, bytes], folder: str = "a/2026-03-01") -> Located:
    await obstore.put_async(destination, f"{folder}/manifest.json", manifest_bytes("CSV", listed))
    return await read_manifest(f"s3://{DESTINATION}/{folder}/manifest.json", ALLOWED)


def left_in(spool: Path) -> list[str]:
    return sorted(path.name for path in spool.rglob("*") if path.is_file())


def folders_in(spool: Path) -> list[str]:
    return sorted(path.name for path in spool.rglob("*") if path.is_dir())


@pytest.mark.usefixtures("s3")
async def test_files_come_into_the_spool_and_go(
    destination: S3Store, spool: Path, counted: list[tuple[int, int]]
) -> None:
    manifest = await located(destination, CONTENT)
    paths = await fetch(manifest, ALLOWED, spool, lambda *done: counted.append(done))
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert {path.parent for path in paths} == {spool / manifest.md5}
    assert [path.name for path in paths][:2] == ["0-0____.csv.gz", "1-1.csv.gz"]
    assert counted[-1] == (manifest.manifest.size_in_bytes,) * 2
    release(spool, manifest)
    assert left_in(spool) == folders_in(spool) == []


async def test_what_is_there_and_intact_is_not_fetched_again(
    store: Unruly, destination: S3Store, spool: Path, counted: list[tuple[int, int]]
) -> None:
    manifest = await located(destination, CONTENT)
    paths = await fetch(manifest, ALLOWED, spool, quiet)
    paths[0].write_bytes(bytes(1000))
    paths[3].unlink()
    store.requests.clear()
    assert await fetch(manifest, ALLOWED, spool, lambda *done: counted.append(done)) == paths
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert sorted(line.split("/")[-2].split(" ")[0] for line in store.requests if line.startswith("GET")) == [
        "0%20%C3%BC%2B%25.csv.gz",
        "3.csv.gz",
    ]
    assert counted[-1] == (manifest.manifest.size_in_bytes,) * 2


async def test_connections_are_bounded(store: Unruly, destination: S3Store, spool: Path) -> None:
    listed = {f"many/{number}.csv.gz": SEEDED.randbytes(3 * PIECE if number < 3 else 100) for number in range(20)}
    await asyncio.gather(*(obstore.put_async(destination, key, content) for key, content in listed.items()))
    manifest = await located(destination, listed)
    store.requests.clear()
    store.stall(times=100)
    fetching = asyncio.create_task(fetch(manifest, ALLOWED, spool, quiet))

    def asked() -> int:
        return sum(line.startswith("GET") for line in store.requests)

    async with asyncio.timeout(30):
        while asked() < CONNECTIONS:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    assert asked() == CONNECTIONS
    await store.go_on()
    assert [path.read_bytes() for path in await fetching] == list(listed.values())


async def test_a_connection_that_is_cut_is_taken_up_again(store: Unruly, destination: S3Store, spool: Path) -> None:
    store.break_off(PIECE // 2, times=3, wanted=lambda line: "data/1" in line and line.startswith("GET"))
    store.answer(503, times=2, wanted=lambda line: "data/4" in line)
    paths = await fetch(await located(destination, CONTENT), ALLOWED, spool, quiet)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())


async def test_a_connection_that_is_always_cut_leaves_what_is_whole(
    store: Unruly, destination: S3Store, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(s3_module.RETRY, "max_retries", 1)
    manifest = await located(destination, CONTENT)
    store.break_off(1000, times=10_000, wanted=lambda line: "data/1" in line and line.startswith("GET"))
    with pytest.raises(StorageUnavailable, match=r"The store did not give s3://.*a/data/1\.csv\.gz"):
        await fetch(manifest, ALLOWED, spool, quiet)
    assert not [name for name in left_in(spool) if "part" in name or name.startswith("1-")]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_file_that_may_not_be_read_is_named(
    store: Unruly, destination: S3Store, spool: Path, status: int
) -> None:
    manifest = await located(destination, CONTENT)
    store.answer(status, times=1000, wanted=lambda line: "data/1" in line)
    with pytest.raises(StorageUnavailable, match=r"The store refused access to s3://.*a/data/1\.csv\.gz"):
        await fetch(manifest, ALLOWED, spool, quiet)
    assert left_in(spool) == folders_in(spool) == []


@pytest.mark.usefixtures("s3")
async def test_a_file_that_is_missing_is_named(destination: S3Store, spool: Path) -> None:
    manifest = await located(destination, {**CONTENT, "a/data/9.csv.gz": b"x"})
    with pytest.raises(BadInventory, match=r"a/data/9\.csv\.gz is missing: the manifest lists it"):
        await fetch(manifest, ALLOWED, spool, quiet)
    assert folders_in(spool) == []


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (LARGE[:-1], "has 20,983,865 bytes, and the manifest says 20,983,864"),
        (LARGE + b"x", "has 20,983,865 bytes, and the manifest says 20,983,866"),
        (LARGE[:-1] + b"x" if LARGE[-1:] != b"x" else LARGE[:-1] + b"y", "has the MD5 "),
    ],
)
async def test_a_file_that_is_not_what_the_manifest_says_is_named_and_not_kept(
    destination: S3Store, spool: Path, said: bytes, wrong: str
) -> None:
    manifest = await located(destination, {"a/data/1.csv.gz": said})
    with pytest.raises(BadInventory, match=f"a/data/1.csv.gz {wrong}"):
        await fetch(manifest, ALLOWED, spool, quiet)
    assert left_in(spool) == []
    assert folders_in(spool) == []


@pytest.mark.usefixtures("s3")
async def test_checksums_of_another_file_are_noticed(destination: S3Store, spool: Path) -> None:
    one, other = SEEDED.randbytes(500), SEEDED.randbytes(500)
    for key, content in {"swap/0.csv.gz": one, "swap/1.csv.gz": other}.items():
        await obstore.put_async(destination, key, content)
    manifest = await located(destination, {"swap/0.csv.gz": other, "swap/1.csv.gz": one})
    with pytest.raises(BadInventory, match=r"swap/[01]\.csv\.gz has the MD5"):
        await fetch(manifest, ALLOWED, spool, quiet)


async def test_cancelling_is_prompt_and_leaves_nothing_half(store: Unruly, destination: S3Store, spool: Path) -> None:
    manifest = await located(destination, CONTENT)
    store.stall(times=100, wanted=lambda line: "data/1" in line and line.startswith("GET"))
    task = asyncio.create_task(fetch(manifest, ALLOWED, spool, quiet))
    whole = {"0-0____.csv.gz", "2-2.csv.gz", "3-3.csv.gz", "4-4.csv.gz"}
    while not whole.issubset(left_in(spool)):
        await asyncio.sleep(0.01)
    clock = asyncio.get_running_loop().time
    asked = clock()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock() - asked < 0.5
    assert set(left_in(spool)) == whole


@pytest.mark.usefixtures("s3")
async def test_a_disk_without_room_is_noticed_before(
    destination: S3Store, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = await located(destination, CONTENT)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(StorageUnavailable, match="has 1,000 bytes free"):
        await fetch(manifest, ALLOWED, spool, quiet)
    assert folders_in(spool) == []


@pytest.mark.usefixtures("s3")
async def test_what_is_there_already_needs_no_room(
    destination: S3Store, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = await located(destination, CONTENT)
    paths = await fetch(manifest, ALLOWED, spool, quiet)
    paths[3].unlink()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=PIECE))
    assert await fetch(manifest, ALLOWED, spool, quiet) == paths


@pytest.mark.usefixtures("s3")
async def test_what_a_killed_attempt_had_not_finished_goes_first(
    destination: S3Store, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing makes use of it any more, so that it neither stays nor counts as fetched."""
    manifest = await located(destination, CONTENT)
    size = manifest.manifest.size_in_bytes
    unfinished = spool / manifest.md5 / f"0-0.csv.gz.abc{PARTIAL}"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"x" * size)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=size - 1))
    with pytest.raises(StorageUnavailable, match=f"has {size - 1:,} bytes free, and {size:,} are to come"):
        await fetch(manifest, ALLOWED, spool, quiet)
    assert left_in(spool) == []


@pytest.mark.usefixtures("s3")
async def test_a_spool_that_cannot_be_written_is_said_so(destination: S3Store) -> None:
    manifest = await located(destination, CONTENT)
    with pytest.raises(StorageUnavailable, match="The spool /proc cannot be written"):
        await fetch(manifest, ALLOWED, Path("/proc"), quiet)


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("file_format", FORMATS)
async def test_an_inventory_in_s3_gives_the_same_rows_as_on_the_disk(
    destination: S3Store, spool: Path, file_format: FileFormat
) -> None:
    parts = [[Row(f"{part}/{row}") for row in range(100)] for part in range(3)]
    listed = {f"same/data/{n}.{file_format}": data_file(file_format, rows) for n, rows in enumerate(parts)}
    for key, content in listed.items():
        await obstore.put_async(destination, key, content)
    await obstore.put_async(destination, "same/manifest.json", manifest_bytes(file_format, listed))
    manifest = await read_manifest(f"s3://{DESTINATION}/same/manifest.json", ALLOWED)
    paths = await fetch(manifest, ALLOWED, spool, quiet)
    assert answers(InventoryFiles(manifest.manifest, paths)) == expected([row for rows in parts for row in rows])
