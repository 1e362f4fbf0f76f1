"""ORCA's way, run by psql: stage the whole CSV, then three joins. The SQL is ours, written to its description."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.cache import folder
from benchmarks.measure import Measured, command
from benchmarks.server import Server

HERE = Path(__file__).parent
PARTITION = """
    DO $$ BEGIN
        IF to_regclass('orca.reconcile_s3_object_orca_archive') IS NULL THEN
            CREATE TABLE orca.reconcile_s3_object_orca_archive PARTITION OF orca.reconcile_s3_object
                (PRIMARY KEY (key_path)) FOR VALUES IN ('orca-archive');
        END IF;
    END $$
"""
JOB = """
    INSERT INTO orca.reconcile_job (
        orca_archive_location, status_id, inventory_creation_time, start_time, last_update
    ) VALUES ('orca-archive', 2, now(), now(), now()) RETURNING id
"""
REPORTS = ("phantom", "orphan", "catalog_mismatch")


async def new_job(server: Server) -> int:
    """Make the job as ORCA does, and the partition if there is none."""
    await server.execute(PARTITION)
    return int(str(await server.value(JOB)))


async def stage(server: Server, job: int, files: Sequence[Path]) -> Measured:
    """Time taking the inventory in; its rows are then in the archive location's partition."""
    log = folder("logs") / "orca_load.log"
    script = folder("logs") / "orca_load.sql"
    copies = "\n".join(
        rf"\copy s3_import from program 'gzip -dc {file}' (format csv, force_null (size_in_bytes))" for file in files
    )
    script.write_text((HERE / "orca_load.sql").read_text().replace(":copies", copies))
    await server.execute("TRUNCATE orca.reconcile_s3_object_orca_archive", "CHECKPOINT")
    measured = command([*_psql(server), "-v", f"job={job}", "-f", script], server, log=log)
    await server.execute("ANALYZE orca.reconcile_s3_object_orca_archive")
    return measured


async def reconcile(server: Server, job: int, *, work_mem: str) -> Measured:
    """Time the three joins; the three reports are published."""
    log = folder("logs") / "orca_reconcile.log"
    await server.execute(*(f"DELETE FROM orca.reconcile_{each}_report WHERE job_id = {job}" for each in REPORTS))
    await server.settle()
    variables = ["-v", f"job={job}", "-v", f"work_mem={work_mem}"]
    return command([*_psql(server), *variables, "-f", HERE / "orca_reconcile.sql"], server, log=log)


async def found(server: Server, job: int) -> dict[str, int]:
    """Count what stands in the three reports."""
    return {
        each: int(str(await server.value(f"SELECT count(*) FROM orca.reconcile_{each}_report WHERE job_id = $1", job)))
        for each in REPORTS
    }


def _psql(server: Server) -> list[str | Path]:
    return [server.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", server.url]
