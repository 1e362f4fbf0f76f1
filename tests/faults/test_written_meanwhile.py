"""The catalog is rewritten while a run compares: the reports are those of one state of it, as it was at the beginning."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.jobs.model import EngineName
from tests.faults.conftest import Scenes
from tests.faults.scene import COMPARING, FETCHING, LOADING, PUBLISHING, STAGING, Scene, archive
from tests.oracle import CatalogFile, reconcile
from tests.strategies import BUCKET, CREATED
from tests.support.archive import catalog_file, insert_files

LATER = CREATED + timedelta(hours=1)
LISTED = archive().listed


def rewritten() -> list[CatalogFile]:
    """Make a catalog of which the findings are others than of the scene's, and pending, for its granule was updated."""
    equal = [
        catalog_file(row.key, etag=row.etag, size=row.size, storage_class=row.storage_class, last_update=LATER)
        for row in LISTED[10:]
    ]
    changed = [replace(file, etag="0123456789abcdef0123456789abcdef") for file in equal[::2]]
    lost = [catalog_file(f"granule/new/{number}", last_update=LATER) for number in range(50)]
    return [*changed, *equal[1::2], *lost]


async def rewrite(connection: AsyncConnection) -> None:
    """Have other rows than there were, every one of them, and commit."""
    await connection.execute(text("DELETE FROM orca.files"))
    await insert_files(connection, rewritten())
    await connection.commit()


async def rewrite_while_held_up(scene: Scene, place: str) -> None:
    """Hold a run up, rewrite the catalog, and let the run go on to its end."""
    async with scene.runner():
        async with scene.held_up(place) as holder:
            await scene.stuck_at(place)
            if holder is None:
                async with scene.database.engine.connect() as writer:
                    await rewrite(writer)
            else:  # who holds the catalog itself is the only one who can write to it
                await rewrite(holder)
        await scene.ended()


@pytest.mark.parametrize("place", [COMPARING, PUBLISHING])
@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
async def test_a_catalog_that_is_rewritten_during_the_comparison_is_not_seen(
    scenes: Scenes, engine: EngineName, place: str
) -> None:
    scene = await scenes(engine)
    await rewrite_while_held_up(scene, place)
    assert (await scene.is_right()).attempt == 1
    assert await scene.do("SELECT count(*) FROM orca.files WHERE etag LIKE '0123%'") > 100


@pytest.mark.parametrize(("engine", "place"), [("duckdb", FETCHING), ("postgres", LOADING), ("postgres", STAGING)])
async def test_a_catalog_that_is_rewritten_before_it_is_seen_as_it_then_is(
    scenes: Scenes, engine: EngineName, place: str
) -> None:
    scene = await scenes(engine)
    before = scene.expected.phantoms
    await rewrite_while_held_up(scene, place)
    scene.expected = reconcile(rewritten(), LISTED, bucket=BUCKET, cutoff=CREATED)
    await scene.is_right()
    assert scene.expected.phantoms.isdisjoint(before)
