"""What every engine is given and what it gives back.

An engine fills the temporary table `unequal` with the rows of either side that have no equal on the other: what S3
says of keys, and the ids of files. It may give too many rows, never too few: whether something is a finding, and which,
is decided once, in `publish.sql`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

Report = Callable[[str, int, int | None, str], None]
"""Tells how far the work has come: phase, done, total (None: unknown), unit. Cheap; may be called from any thread."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One job to compare: its archive location, which fields its inventory carries, and when findings are pending.

    `force` publishes in spite of suspicion.
    """

    job_id: int
    archive_location: str
    inventory_creation_time: datetime
    compared_fields: tuple[str, ...]
    pending_from: datetime
    force: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows each side had."""

    inventory_objects: int
    catalog_files: int


class Engine(Protocol):
    """Fills `unequal` in the publishing transaction, from the snapshot that transaction holds."""

    name: str

    async def fill(self, connection: AsyncConnection, comparison: Comparison, report: Report) -> Counted:
        """Create and fill `unequal` on `connection`.

        Raises `BadInventory`, `InventorySuperseded`, `StagedRowsLost`.
        """
        ...

    async def explain_duplicate(self, key: str) -> Exception:
        """Say where a key is listed twice: once as the catalog has it, and once otherwise or as deleted."""
        ...
