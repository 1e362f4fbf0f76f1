"""The archive as it was made up: an in-memory DuckDB in which its catalog and inventory are views."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources

import duckdb
import pyarrow as pa

from app.samples.plan import Plan

# When S3 made the list: 2024-05-07 01:00 UTC, the hour at which real reports are dated.
CREATED = datetime(2024, 5, 7, 1, tzinfo=UTC)

# In the order in which one needs the other.
SCRIPTS = ("draws", "findings", "slots", "keys", "catalog", "inventory", "expected")

# Granules are produced from 2012 on, evenly over this time: twelve years.
SPAN_SECONDS = 378_000_000

# So much is read by one query: enough to make planning it cheap, little enough to stop soon and to tell of progress.
POSITIONS_A_QUERY = 262_144
ROWS_A_BATCH = 16_384


class Archive:
    """Reads the views of the SQL scripts, for one thread or for several at a time.

    DuckDB itself runs with one thread: a query then gives its rows in one order only, and the parallel work is done by
    those who each read another part of a view.
    """

    def __init__(self, database: duckdb.DuckDBPyConnection, plan: Plan) -> None:
        self._database = database
        self._plan = plan
        with self._part(0, plan.slots, data_file=0, data_files=1) as cursor:
            for script in SCRIPTS:
                cursor.execute(resources.files(__package__).joinpath(f"{script}.sql").read_text(encoding="utf-8"))

    def read(
        self, view: str, end: int, *, data_file: int = 0, data_files: int = 1
    ) -> Iterator[tuple[int, Iterator[pa.RecordBatch]]]:
        """Yield a view's rows up to a position, a stretch at a time: how many positions, and the rows at them.

        The rows of a stretch must be read before the next one is asked for.
        """
        for first in range(0, end, POSITIONS_A_QUERY):
            last = min(end, first + POSITIONS_A_QUERY)
            with self._part(first, last, data_file=data_file, data_files=data_files) as cursor:
                yield last - first, iter(cursor.table(view).to_arrow_reader(ROWS_A_BATCH))

    @contextmanager
    def _part(self, first: int, last: int, *, data_file: int, data_files: int) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection on which the views show this part; the scripts say what the variables mean."""
        plan = self._plan
        variables = {
            "seed": str(plan.seed),
            "bucket": plan.bucket,
            "created": CREATED.replace(tzinfo=None),
            "files": plan.files,
            "orphans": plan.orphans,
            "extras": plan.extras,
            "slots": plan.slots,
            "chosen": plan.phantoms + plan.mismatches,
            "pace": max(1, SPAN_SECONDS // (plan.files // 2 + 6)),
            "first": first,
            "last": last,
            "data_file": data_file,
            "data_files": data_files,
        }
        with self._database.cursor() as cursor:
            for name, value in variables.items():
                cursor.execute(f"SET VARIABLE {name} = $value", {"value": value})
            yield cursor


@contextmanager
def open_archive(plan: Plan) -> Iterator[Archive]:
    """Make up the archive that the plan asks for."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "autoinstall_known_extensions": False,
        # Every join looks rows up in the small table on its right, as it is written, so that rows stay in order.
        "disabled_optimizers": "join_order,build_side_probe_side",
    }
    with duckdb.connect(config=config) as database:
        yield Archive(database, plan)
