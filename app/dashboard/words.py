"""How the pages put things: numbers, sizes, times, and what each kind of finding means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations

from app.reports.findings import MISMATCHES, ORPHANS, PHANTOMS, Kind
from app.reports.summary import FindingKind, Tallies, Tally

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLE_YEARS, _CYCLE = 400, timedelta(days=146_097)
"""After which the calendar repeats."""

FIELDS = {"etag": "ETag", "size_in_bytes": "size", "storage_class": "storage class"}
LABELS = {
    "collectionId": "Collection",
    "granuleId": "Granule",
    "keyPrefix": "Keys that begin with",
    "discrepancyType": "What differs",
    "pending": "Pending",
}
DISCREPANCIES = [", ".join(held) for size in range(1, len(FIELDS) + 1) for held in combinations(FIELDS, size)]
STATUSES = {
    "getting S3 list": "reading the inventory",
    "staged": "staged",
    "generating reports": "comparing",
    "error": "failed",
    "success": "done",
}


@dataclass(frozen=True, slots=True)
class KindWords:
    """One kind of finding in the words of the pages."""

    kind: Kind
    one: FindingKind
    title: str
    meaning: str
    advice: str

    def tally(self, tallies: Tallies) -> Tally:
        """Give this kind's part of some tallies."""
        tally: Tally = getattr(tallies, self.one)
        return tally

    def sized(self, compared_fields: list[str] | None) -> bool:
        """Tell whether sizes are known: those of phantoms are, of the others only if the inventory carries them."""
        return self.kind is PHANTOMS or carried("size_in_bytes", compared_fields)


WORDS = {
    words.kind.name: words
    for words in (
        KindWords(
            PHANTOMS,
            "phantom",
            "Phantoms",
            "In the catalog, but not in S3: these files may be lost.",
            "Look for another copy and archive the files again. If they were deleted on purpose, take them out of the "
            "catalog.",
        ),
        KindWords(
            ORPHANS,
            "orphan",
            "Orphans",
            "In S3, but not in the catalog: paid for, and nobody can find them.",
            "Enter the files into the catalog, or delete them: with the S3 Batch download S3 can tag them for a "
            "lifecycle rule that does.",
        ),
        KindWords(
            MISMATCHES,
            "mismatch",
            "Mismatches",
            "In both, but not the same: what is stored is not what the catalog says.",
            "Another ETag or size means other content: archive the file again. Another storage class alone means "
            "another price: correct the catalog, or move the object.",
        ),
    )
}

NOT_CARRIED = "not in the inventory"
PENDING = "May only have been on its way while S3 made its list: look again after the next inventory."


def carried(field: str, compared_fields: list[str] | None) -> bool:
    """Tell whether the inventory of a report carries a field; where it is not known which it compared, it may."""
    return compared_fields is None or field in compared_fields


def number(value: int) -> str:
    """Write a number with its thousands apart: 1,234,567."""
    return f"{value:,}"


def size(value: int) -> str:
    """Write a number of bytes with three digits: 1.23 GB."""
    amount = float(value)
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB", "EB"):
        if amount < 999.5 or unit == "EB":  # noqa: PLR2004  (what rounds to 1000 is one of the next unit)
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.3g} {unit}"
        amount /= 1000
    raise AssertionError


def moment(value: datetime | int) -> str:
    """Write a time to the minute, in UTC; one of the reports, in milliseconds, may be of any year."""
    year, then = _year(value)
    return f"{year:04}-{then:%m-%d %H:%M} UTC" if year > 0 else f"{1 - year:04}-{then:%m-%d %H:%M} UTC BC"


def stamp(value: datetime | int) -> str:
    """Write a time as programs read it, in UTC."""
    year, then = _year(value)
    return f"{year:04}-{then:%m-%dT%H:%M:%SZ}"


def day(value: datetime) -> str:
    """Write a day, in UTC, as a person would: 7 May 2024."""
    value = value.astimezone(UTC)
    return f"{value.day} {value:%B %Y}"


def _year(value: datetime | int) -> tuple[int, datetime]:
    """Give a time's year, 0 for 1 BC, and the time itself in one of those years that Python has, 1 to 9999."""
    if isinstance(value, datetime):
        then = value.astimezone(UTC)
        return then.year, then
    cycles, rest = divmod(timedelta(milliseconds=value), _CYCLE)
    then = _EPOCH + rest
    return then.year + _CYCLE_YEARS * cycles, then


def discrepancy(value: str) -> str:
    """Say what differs: `etag, size_in_bytes` is "ETag and size"."""
    names = [FIELDS.get(name, name) for name in value.split(", ")]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def counted(value: int, one: str, many: str | None = None) -> str:
    """Write a number with its noun: 1 job, 2 jobs."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"
