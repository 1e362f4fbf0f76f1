"""Engine `postgres`: the staged inventory against the catalog, inside PostgreSQL."""

from __future__ import annotations

from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.engine import Comparison, Counted, Report
from app.db.queries import Queries
from app.errors import StagedRowsLost
from app.inventory.staged import partition_of, refuse_rows_of_another

SQL = Queries("app.compare", "postgres.sql")
WORK_MEM = "256MB"


class PostgresEngine:
    """One full outer join of `files` with the archive location's partition."""

    name = "postgres"

    def __init__(self, staged_rows: int | None) -> None:
        """Take how many rows the job has staged; None: another program did, and did not say."""
        self._staged_rows = staged_rows

    async def fill(self, connection: AsyncConnection, comparison: Comparison, report: Report) -> Counted:
        """Fill `difference` from this job's staged rows.

        Raises `InventorySuperseded` when they are another job's, `StagedRowsLost` when they are not what was staged.
        """
        where = {"archive_location": comparison.archive_location, "job_id": comparison.job_id}
        report("comparing", 0, None, "rows")
        await connection.execute(SQL["settings"], {"work_mem": WORK_MEM})
        partition = await partition_of(connection, comparison.archive_location)
        counts = (await connection.execute(SQL.of_table("counts", "the_partition", partition), where)).one()
        refuse_rows_of_another(
            counts.all_rows,
            counts.own_rows,
            archive_location=comparison.archive_location,
            job_id=comparison.job_id,
        )
        if self._staged_rows is not None and self._staged_rows != counts.own_rows:
            raise StagedRowsLost
        # PostgreSQL takes no parameters in CREATE TABLE AS, so the library writes the two values as literals.
        await connection.execute(
            SQL.of_table("differences", "the_partition", partition).bindparams(
                *(bindparam(name, value, literal_execute=True) for name, value in where.items())
            )
        )
        return Counted(counts.inventory_objects, counts.catalog_files)

    async def explain_disagreement(self) -> Exception:
        """Blame this engine: the partition's key leaves the inventory no way to list a key twice."""
        return AssertionError("the full join and the counts of the two sides do not agree")
