"""Engine `postgres`: the staged inventory against the catalog, inside PostgreSQL."""

from __future__ import annotations

from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.engine import Comparison, Counted, Report
from app.db.plans import Plan, nodes
from app.db.queries import Queries
from app.errors import StagedRowsLost
from app.inventory.manifest import COMPARABLE
from app.inventory.staged import staged_in, staged_twice

SQL = Queries("app.compare", "postgres.sql")
WORK_MEM = "256MB"


class PostgresEngine:
    """One full outer join of `files` with the archive location's partition."""

    name = "postgres"

    def __init__(self, staged_objects: int | None) -> None:
        """Take how many objects the job has staged; None: another program did, and did not say."""
        self._staged_objects = staged_objects

    async def fill(self, connection: AsyncConnection, comparison: Comparison, report: Report) -> Counted:
        """Fill `unequal` from this job's staged rows.

        Raises `InventorySuperseded` when they are another job's, `NotStaged` when nobody knows whether there should be
        any, `StagedRowsLost` when they are not what was staged.
        """
        where, job_id = comparison.archive_location, comparison.job_id
        report("comparing", 0, None, "rows")
        await connection.execute(SQL["settings"], {"work_mem": WORK_MEM})
        may_be_empty = comparison.force or self._staged_objects is not None
        staged = await staged_in(connection, archive_location=where, job_id=job_id, may_be_empty=may_be_empty)
        if self._staged_objects and not staged.own_rows:
            raise StagedRowsLost  # before each file of the catalog is written down as unequal
        # PostgreSQL takes no parameters in CREATE TABLE AS, so the library writes the values as literals.
        unequal = SQL.of_table("unequal", "the_partition", staged.table).bindparams(
            bindparam("archive_location", where, literal_execute=True),
            bindparam("job_id", job_id, literal_execute=True),
            *(bindparam(name, name in comparison.compared_fields, literal_execute=True) for name in COMPARABLE),
        )
        (explained,) = (await connection.execute(unequal)).scalar_one()
        counted = _counted(explained["Plan"])
        if self._staged_objects is not None and self._staged_objects != counted.inventory_objects:
            raise StagedRowsLost
        return counted

    async def explain_duplicate(self, key: str) -> Exception:
        """Blame whoever staged it: a partition of the service's own has the key for its key."""
        return staged_twice(key)


def _counted(plan: Plan) -> Counted:
    """Read from the plan that was followed how many rows each side gave to the full join."""
    join = next(node for node in nodes(plan) if node.get("Join Type") == "Full")
    (catalog,) = (side for side in join["Plans"] if any(node.get("Alias") == "files" for node in nodes(side)))
    (inventory,) = (side for side in join["Plans"] if side is not catalog)
    return Counted(inventory_objects=_rows(inventory), catalog_files=_rows(catalog))


def _rows(node: Plan) -> int:
    """Add up what each process gave: of what they gave together, PostgreSQL says the mean, which it rounds."""
    processes = node.get("Workers") or [node]
    if any(process["Actual Loops"] != 1 for process in processes):
        raise LookupError("PostgreSQL has read a side of the full join more than once: its plan has changed.")
    return sum(int(process["Actual Rows"]) for process in processes)
