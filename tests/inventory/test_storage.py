"""Reading a manifest: the prefixes first, then the bytes, then what they say; from the disk and from a real S3."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from app.errors import BadManifest, LocationForbidden, ManifestNotFound, StorageUnavailable
from app.inventory import s3 as s3_module
from app.inventory.storage import MOST_MANIFEST_BYTES, read_manifest
from tests.inventory.building import manifest_bytes
from tests.support.seaweed import Seaweed
from tests.support.unruly import Unruly

MANIFEST = manifest_bytes("CSV", {"data/0.csv.gz": b"content"})
MD5 = hashlib.md5(MANIFEST, usedforsecurity=False).hexdigest()
FOLDER = "orca-archive/all/2026-03-01T00-00Z"
BUCKET = "manifests"
URL = f"s3://{BUCKET}/{FOLDER}/manifest.json"
ALLOWED = [f"s3://{BUCKET}/"]


@pytest.fixture(scope="session")
def bucket(seaweed: Seaweed) -> S3Store:
    store = seaweed.bucket(BUCKET)
    obstore.put(store, f"{FOLDER}/manifest.json", MANIFEST)
    obstore.put(store, f"{FOLDER}/manifest.checksum", f"{MD5}\n".encode())
    obstore.put(store, "secrets/manifest.json", MANIFEST)
    obstore.put(store, "a b+c%20d/ü/manifest.json", MANIFEST)
    obstore.put(store, "mismatch/manifest.json", MANIFEST)
    obstore.put(store, "mismatch/manifest.checksum", b"0" * 32 + b"\n")
    obstore.put(store, "large/manifest.json", bytes(50 << 20))
    obstore.put(store, "empty/manifest.json", b"")
    return store


def on_disk(folder: Path, manifest: bytes = MANIFEST, checksum: bytes | None = None) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(manifest)
    if checksum is not None:
        (folder / "manifest.checksum").write_bytes(checksum)
    return f"file://{folder}/manifest.json"


@pytest.mark.usefixtures("s3", "bucket")
async def test_a_manifest_is_read_from_s3() -> None:
    located = await read_manifest(URL, ALLOWED)
    assert (located.url, located.md5) == (URL, MD5)
    assert located.manifest.files[0].key == "data/0.csv.gz"


@pytest.mark.usefixtures("s3", "bucket")
async def test_a_key_may_hold_any_characters() -> None:
    located = await read_manifest(f"s3://{BUCKET}/a%20b+c%2520d/%C3%BC/manifest.json", ALLOWED)
    assert located.md5 == MD5


async def test_a_manifest_is_read_from_the_disk(tmp_path: Path) -> None:
    url = on_disk(tmp_path / "a b", checksum=f"{MD5.upper()}\n".encode())
    located = await read_manifest(url, [f"file://{tmp_path}"])
    assert (located.url, located.md5) == (url, MD5)
    assert (await read_manifest(url.replace(" ", "%20"), [f"file://{tmp_path}/a%20b/"])).md5 == MD5


async def test_outside_the_prefixes_nothing_is_asked_of_the_store(store: Unruly) -> None:
    for url in (URL, f"s3://{BUCKET}/{FOLDER}/../../secrets/manifest.json", f"s3://{BUCKET}-evil/manifest.json"):
        with pytest.raises(LocationForbidden):
            await read_manifest(url, ["s3://another-bucket/", f"s3://{BUCKET}/{FOLDER}/data/"])
    assert store.requests == []


async def test_links_do_not_lead_out_of_a_prefix(tmp_path: Path) -> None:
    on_disk(tmp_path / "outside")
    on_disk(tmp_path / "allowed")
    (tmp_path / "allowed" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "allowed" / "manifest.checksum").symlink_to(tmp_path / "outside" / "manifest.json")
    for path in ("allowed/link/manifest.json", "allowed/manifest.json", "allowed/../outside/manifest.json"):
        with pytest.raises(LocationForbidden):
            await read_manifest(f"file://{tmp_path}/{path}", [f"file://{tmp_path}/allowed/"])


@pytest.mark.usefixtures("s3", "bucket")
@pytest.mark.parametrize("url", [f"s3://{BUCKET}/nothing/manifest.json", f"s3://{BUCKET}/{FOLDER}"])
async def test_no_manifest_in_s3(url: str) -> None:
    with pytest.raises(ManifestNotFound, match=f"There is no manifest at {url}"):
        await read_manifest(url, ALLOWED)


@pytest.mark.usefixtures("s3", "bucket")
async def test_no_bucket() -> None:
    with pytest.raises(ManifestNotFound):
        await read_manifest("s3://no-such-bucket/manifest.json", ["s3://no-such-bucket"])


async def test_no_manifest_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("nothing.json", "folder", "pipe", "pipe/manifest.json", "a" * 300):
        with pytest.raises(ManifestNotFound):
            await read_manifest(f"file://{tmp_path}/{name}", [f"file://{tmp_path}"])


@pytest.mark.parametrize("checksum", [b"0" * 32 + b"\n", b"not a checksum\n", b"", MD5.encode() * 2])
async def test_a_checksum_that_does_not_match_is_refused(tmp_path: Path, checksum: bytes) -> None:
    with pytest.raises(BadManifest, match=r"manifest\.checksum"):
        await read_manifest(on_disk(tmp_path, checksum=checksum), [f"file://{tmp_path}"])


@pytest.mark.usefixtures("s3", "bucket")
async def test_a_checksum_in_s3_that_does_not_match_is_refused() -> None:
    with pytest.raises(BadManifest, match=f"has the MD5 {MD5}, but manifest.checksum says {'0' * 32}"):
        await read_manifest(f"s3://{BUCKET}/mismatch/manifest.json", ALLOWED)


@pytest.mark.usefixtures("bucket")
async def test_what_is_too_large_for_a_manifest_is_not_read(store: Unruly) -> None:
    with pytest.raises(BadManifest, match="has 52,428,800 bytes, and at most 16,777,216 are read"):
        await read_manifest(f"s3://{BUCKET}/large/manifest.json", ALLOWED)
    assert [line.partition(" ")[0] for line in store.requests] == ["HEAD"]


async def test_what_is_too_large_on_the_disk_is_not_read_either(tmp_path: Path) -> None:
    url = on_disk(tmp_path)
    os.truncate(tmp_path / "manifest.json", MOST_MANIFEST_BYTES + 1)
    with pytest.raises(BadManifest, match="is no manifest"):
        await read_manifest(url, [f"file://{tmp_path}"])


@pytest.mark.usefixtures("s3", "bucket")
async def test_an_empty_manifest_is_refused() -> None:
    with pytest.raises(BadManifest, match="it is not JSON"):
        await read_manifest(f"s3://{BUCKET}/empty/manifest.json", ALLOWED)


@pytest.mark.usefixtures("s3", "bucket")
async def test_wrong_credentials_are_said_to_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageUnavailable, match=f"The store refused access to {URL}: check the credentials"):
        await read_manifest(URL, ALLOWED)


@pytest.mark.usefixtures("s3", "bucket")
async def test_without_a_signature_only_what_is_public_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    with pytest.raises(StorageUnavailable, match="refused access"):
        await read_manifest(URL, ALLOWED)


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("status", [401, 403])
async def test_a_store_that_refuses_is_not_asked_again(store: Unruly, status: int) -> None:
    store.answer(status, times=100)
    with pytest.raises(StorageUnavailable, match="refused access"):
        await read_manifest(URL, ALLOWED)
    assert len(store.requests) == 1


@pytest.mark.usefixtures("bucket")
async def test_a_store_that_fails_for_a_while_is_waited_for(store: Unruly) -> None:
    store.answer(503, times=2)
    store.answer(500, times=1, wanted=lambda line: line.startswith("GET"))
    store.break_off(20)
    assert (await read_manifest(URL, ALLOWED)).md5 == MD5


@pytest.mark.usefixtures("bucket")
async def test_a_store_that_keeps_failing_is_not_waited_for_long(
    store: Unruly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(s3_module.RETRY, "max_retries", 2)
    store.answer(503, times=100)
    with pytest.raises(StorageUnavailable, match=f"The store did not give {URL}: .*503") as caught:
        await read_manifest(URL, ALLOWED)
    assert "\n" not in str(caught.value)
    assert len(store.requests) == 3


@pytest.mark.usefixtures("s3", "bucket")
async def test_nobody_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(s3_module.RETRY, "max_retries", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match="The store did not give"):
        await read_manifest(URL, ALLOWED)


@pytest.mark.usefixtures("s3", "bucket")
async def test_the_checksum_has_to_be_readable_where_it_is(store: Unruly) -> None:
    store.answer(403, wanted=lambda line: "checksum" in line)
    with pytest.raises(StorageUnavailable, match=r"refused access to .*/manifest\.checksum"):
        await read_manifest(URL, ALLOWED)
