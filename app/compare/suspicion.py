"""Suspicion: inventories that say something so unlikely that the inventory may be at fault, and not the archive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.engine import Comparison, Counted
from app.db.blocking import aside
from app.db.queries import Queries
from app.errors import Suspicious

SQL = Queries("app.compare", "suspicion.sql")
MOST_ENCODED = 1000


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is suspicious, as fractions (0.1 is a tenth), and whether suspicion keeps a report from being published."""

    shrunk: float
    phantoms: float
    refuse: bool


async def suspect(
    connection: AsyncConnection,
    comparison: Comparison,
    counted: Counted,
    phantoms: int,
    thresholds: Thresholds,
) -> list[str]:
    """Give a sentence for each thing that is suspicious about a comparison whose findings are in the tables already.

    Raises `Suspicious` where the thresholds refuse an inventory that shrank, is empty, or makes too many phantoms.
    """
    where = {"job_id": comparison.job_id, "archive_location": comparison.archive_location}
    earlier = (await connection.execute(SQL["earlier"], where | {"created": comparison.inventory_creation_time})).one()
    grave = _grave(counted, phantoms, earlier.objects, thresholds)
    if grave and thresholds.refuse and not comparison.force:
        raise Suspicious(f"{' '.join(grave)} Nothing was published: submit it with force to publish all the same.")
    mild = []
    if earlier.newest is not None and earlier.newest > comparison.inventory_creation_time:
        mild.append(f"A newer inventory, of {earlier.newest:%Y-%m-%d %H:%M} UTC, has been reconciled already.")
    alike = await _differ_in_encoding_only(connection, comparison.job_id)
    if alike:
        orphan, phantom = alike[0]
        mild.append(
            f"{len(alike)} orphans and phantoms differ only in their encoding, "
            f"such as the orphan {orphan!r} and the phantom {phantom!r}: one side may not have been decoded."
        )
    return grave + mild


def _grave(counted: Counted, phantoms: int, objects_before: int | None, thresholds: Thresholds) -> list[str]:
    objects, files = counted.inventory_objects, counted.catalog_files
    if objects == 0 and files > 0:
        return [f"The inventory is empty, while the catalog has {files:,} files."]
    grave = []
    if objects_before and objects < objects_before * (1 - thresholds.shrunk):
        grave.append(
            f"The inventory has {objects:,} objects, {1 - objects / objects_before:.1%} fewer than the one before "
            f"({objects_before:,})."
        )
    if files and phantoms > files * thresholds.phantoms:
        grave.append(f"{phantoms:,} of {files:,} files ({phantoms / files:.1%}) are phantoms.")
    return grave


async def _differ_in_encoding_only(connection: AsyncConnection, job_id: int) -> list[tuple[str, str]]:
    """Find pairs of an orphan and a phantom that are one key, encoded and not; looks at `MOST_ENCODED` orphans."""
    found = await connection.execute(SQL["encoded_orphans"], {"job_id": job_id, "most": MOST_ENCODED})
    looks_like = await aside(_encoded_otherwise, found.scalars().all())
    if not looks_like:
        return []
    phantoms = await connection.execute(SQL["phantoms_among"], {"job_id": job_id, "keys": list(looks_like)})
    return [(looks_like[phantom], phantom) for phantom in phantoms.scalars()]


def _encoded_otherwise(keys: Iterable[str]) -> dict[str, str]:
    """Map what each key may be, once it is decoded or encoded, to the key: takes its time, for many."""
    otherwise: dict[str, str] = {}
    for key in keys:
        for other in (unquote(key), unquote_plus(key), quote(key), quote_plus(key, safe="/")):
            if other != key and "\0" not in other:
                otherwise.setdefault(other, key)
    return otherwise
