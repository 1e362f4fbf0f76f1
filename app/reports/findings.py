"""The three kinds of findings, what each says, and what a reader may narrow them to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any, cast

import msgspec

from app.errors import ReconcileError
from app.inventory.manifest import COMPARABLE

PENDING_COMMENT = "Error may be due to race condition, and should be checked manually."
"""What a pending finding's comment says, word for word what ORCA says of mismatches."""


class BadFilter(ReconcileError):
    """A filter that these findings do not have, or a value that it cannot have."""

    name = "invalid-filter"
    title = "These findings cannot be filtered like that"


class Finding(msgspec.Struct):
    """One finding, which says in its attributes what it says in JSON. A row becomes one in half the time of a dict."""

    if TYPE_CHECKING:  # its columns are attributes, of which the checker cannot know

        def __getattr__(self, name: str) -> Any: ...

    def key(self, kind: Kind) -> tuple[Any, ...]:
        """Give what identifies it among the findings of its kind in a job."""
        return tuple(getattr(self, name) for name in kind.key)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding: its plural name, its columns by their JSON names, those that order it, and its filters."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    filters: frozenset[str]


ORPHANS = Kind(
    name="orphans",
    columns=("keyPath", "s3Etag", "s3FileLastUpdate", "s3SizeInBytes", "s3StorageClass", "comment"),
    key=("keyPath",),
    filters=frozenset({"keyPrefix", "pending"}),
)
PHANTOMS = Kind(
    name="phantoms",
    columns=(
        *("collectionId", "granuleId", "filename", "keyPath", "orcaEtag", "orcaGranuleLastUpdate", "orcaSizeInBytes"),
        *("orcaStorageClass", "comment"),
    ),
    key=("collectionId", "granuleId", "keyPath"),
    filters=ORPHANS.filters | {"collectionId", "granuleId"},
)
MISMATCHES = Kind(
    name="mismatches",
    columns=(
        *("collectionId", "granuleId", "filename", "keyPath", "cumulusArchiveLocation", "orcaEtag", "s3Etag"),
        *("orcaGranuleLastUpdate", "s3FileLastUpdate", "orcaSizeInBytes", "s3SizeInBytes", "orcaStorageClass"),
        *("s3StorageClass", "discrepancyType", "comment"),
    ),
    key=PHANTOMS.key,
    filters=PHANTOMS.filters | {"discrepancyType"},
)
KINDS = {kind.name: kind for kind in (PHANTOMS, ORPHANS, MISMATCHES)}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a reader wants of a report; None narrows nothing, and all that is given has to hold.

    `discrepancy_types` are the whole values of the column that will do, as `discrepancy_types()` gives them.
    """

    collection_id: str | None = None
    granule_id: str | None = None
    key_prefix: str | None = None
    discrepancy_types: tuple[str, ...] | None = None
    pending: bool | None = None

    def scope(self) -> tuple[object, ...]:
        """Give the values in a fixed order, for what has to tell one set of filters from another."""
        return (self.collection_id, self.granule_id, self.key_prefix, self.discrepancy_types, self.pending)


NO_FILTERS = Filters()


@lru_cache
def finding_type(columns: tuple[str, ...]) -> type[Finding]:
    """Make the type of findings that say this."""
    made = msgspec.defstruct("Finding", columns, bases=(Finding,), gc=False, forbid_unknown_fields=True)
    return cast("type[Finding]", made)


def as_dicts(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Give findings as they are in JSON."""
    return [msgspec.structs.asdict(finding) for finding in findings]


def discrepancy_types(wanted: str) -> tuple[str, ...]:
    """Find which values of `discrepancy_type` a reader means: one field is any that has it, several are just those.

    `etag` gives the four that name etag; `etag, size_in_bytes` only itself, in whatever order it is written.
    Raises `BadFilter` for a name that is no compared field.
    """
    fields = {field.strip() for field in wanted.split(",")}
    if not fields <= set(COMPARABLE):
        raise BadFilter(
            f"discrepancyType is one of {', '.join(COMPARABLE)}, or several of them joined by commas; "
            f"{wanted!r} is not."
        )
    values = [held for size in range(1, len(COMPARABLE) + 1) for held in combinations(COMPARABLE, size)]
    return tuple(
        ", ".join(held) for held in values if (fields <= set(held) if len(fields) == 1 else fields == set(held))
    )
