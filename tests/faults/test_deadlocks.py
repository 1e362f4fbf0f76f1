"""Locks taken the other way round than a run takes them."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.jobs.model import EngineName
from app.jobs.store import SQL
from tests.faults.conftest import Scenes
from tests.faults.scene import PUBLISHING, Scene
from tests.support.traces import WAITING_FOR_A_ROW

FIRST_REPORT = "orca.reconcile_phantom_report"  # a run writes to it before it comes to where it is held up
BOTH = pytest.mark.parametrize("engine", ["duckdb", "postgres"])
# Whose wait comes to an end first is whom PostgreSQL looks at, and stops: the run, once there is a circle to be found.
PATIENT_S = 3


async def be_patient(scene: Scene) -> None:
    """Have sessions that are made from now on wait for seconds before they look for a deadlock."""
    await scene.do(f"""
        DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''{PATIENT_S}s''', current_database()); END $$
    """)


@BOTH
async def test_a_publication_that_postgresql_stops_for_a_deadlock_is_tried_again(
    scenes: Scenes, engine: EngineName
) -> None:
    scene = await scenes(engine)
    await be_patient(scene)
    async with scene.database.engine.connect() as other:
        await other.execute(text("SET LOCAL deadlock_timeout = '1h'"))
        await other.execute(text(f"LOCK TABLE {PUBLISHING} IN ACCESS EXCLUSIVE MODE"))
        async with scene.runner():
            await scene.stuck_at(PUBLISHING)
            await other.execute(text(f"LOCK TABLE {FIRST_REPORT} IN ACCESS EXCLUSIVE MODE"))
            await scene.until("SELECT failures = 1 AND state = 'queued' FROM orca.reconcile_run")
            said = await scene.do("SELECT error_message FROM orca.reconcile_run")
            assert said == "The database did not stay reachable (SQLSTATE 40P01)."
            await other.rollback()
            await scene.ended()
    assert (await scene.is_right()).attempt == 2


@BOTH
async def test_a_request_that_comes_while_the_job_is_being_ended_makes_no_deadlock(
    scenes: Scenes, engine: EngineName
) -> None:
    """It holds the job's row and then asks for the run's, as `cancel` does; the run waits for it, and is not stopped."""
    scene = await scenes(engine)
    await be_patient(scene)
    async with scene.database.engine.connect() as request, scene.runner():
        async with scene.held_up(PUBLISHING):
            await scene.stuck_at(PUBLISHING)
            await request.execute(SQL["lock_job"], {"job_id": scene.job.id})
        await scene.until(WAITING_FOR_A_ROW)
        live = (await request.execute(SQL["live_run"], {"job_id": scene.job.id})).one()
        assert live.state == "running"
        await request.rollback()
        await scene.ended()
    assert (await scene.is_right()).attempt == 1
