"""Where data files of a real S3 are looked for, and where not."""

from __future__ import annotations

from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from app.errors import LocationForbidden
from app.inventory.fetch import fetch
from tests.inventory.building import DESTINATION
from tests.inventory.test_fetch_s3 import ALLOWED, CONTENT, located, quiet
from tests.support.seaweed import Seaweed
from tests.support.unruly import Unruly


@pytest.fixture
def destination(seaweed: Seaweed) -> S3Store:
    return seaweed.bucket(DESTINATION)


@pytest.mark.parametrize("allowed", [["s3://elsewhere/"], [f"s3://{DESTINATION}/a/2026-03-01/"]])
async def test_a_file_outside_the_prefixes_is_not_asked_for(
    store: Unruly, destination: S3Store, spool: Path, allowed: list[str]
) -> None:
    manifest = await located(destination, CONTENT)
    store.requests.clear()
    with pytest.raises(LocationForbidden):
        await fetch(manifest, allowed, spool, quiet)
    assert store.requests == []


@pytest.mark.usefixtures("s3")
async def test_a_bare_name_is_looked_for_at_the_root_and_then_beside_the_manifest(
    destination: S3Store, spool: Path
) -> None:
    await obstore.put_async(destination, "bare/here/0.csv.gz", b"beside")
    await obstore.put_async(destination, "bare/here/1.csv.gz", b"not this")
    await obstore.put_async(destination, "1.csv.gz", b"root")
    manifest = await located(destination, {"0.csv.gz": b"beside", "1.csv.gz": b"root"}, "bare/here")
    assert [path.read_bytes() for path in await fetch(manifest, ALLOWED, spool, quiet)] == [b"beside", b"root"]


async def test_a_bare_name_is_found_beside_the_manifest_without_the_right_to_see_the_root(
    store: Unruly, destination: S3Store, spool: Path
) -> None:
    await obstore.put_async(destination, "bare/there/0.csv.gz", b"beside")
    manifest = await located(destination, {"0.csv.gz": b"beside"}, "bare/there")
    store.answer(403, times=100, wanted=lambda line: f"/{DESTINATION}/0.csv.gz" in line)
    assert [path.read_bytes() for path in await fetch(manifest, ALLOWED, spool, quiet)] == [b"beside"]


async def test_a_bare_name_is_not_looked_for_outside_the_prefixes(
    store: Unruly, destination: S3Store, spool: Path
) -> None:
    await obstore.put_async(destination, "bare/only/2.csv.gz", b"beside")
    await obstore.put_async(destination, "2.csv.gz", b"decoy!")
    manifest = await located(destination, {"2.csv.gz": b"beside"}, "bare/only")
    folder = [f"s3://{DESTINATION}/bare/only/"]
    assert [path.read_bytes() for path in await fetch(manifest, folder, spool, quiet)] == [b"beside"]
    assert not [line for line in store.requests if f"/{DESTINATION}/2.csv.gz" in line]
