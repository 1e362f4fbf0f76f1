"""A report's stored roll-ups as pictures: bars that are links, each narrowing the findings to what it counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.compare.summary import MOST_PREFIXES
from app.dashboard.words import KindWords, discrepancy
from app.inventory.manifest import COMPARABLE
from app.reports.findings import MISMATCHES, ORPHANS
from app.reports.summary import Summary, Tally

MOST_BARS = 12
MOST_DAYS = 62

Narrow = Callable[[str, str], str]
"""Gives the page's address with one filter, by its name and value."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One value with what it adds up to; `share` is its length in percent, `href` where it leads."""

    label: str
    tally: Tally
    share: float
    href: str | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One picture: its largest bars, and how many smaller ones are left out, or more where no more are stored."""

    name: str
    title: str
    bars: list[Bar]
    left_out: int
    or_more: bool


def breakdowns(
    summary: Summary, words: KindWords, chosen: dict[str, str], narrow: Narrow, depth: int
) -> list[Breakdown]:
    """Make the pictures of one kind of findings; `chosen` holds the filters that are set."""
    kind = words.kind

    def tallies(dimension: str) -> list[tuple[str, Tally]]:
        parts = summary.parts.get(dimension, {})  # type: ignore[call-overload]  # the names are those of Dimension
        found = [(value, words.tally(part)) for value, part in parts.items()]
        return sorted((one for one in found if one[1].findings), key=lambda one: (-one[1].findings, one[0]))

    def picture(
        name: str,
        title: str,
        values: list[tuple[str, Tally]],
        label: Callable[[str], str],
        can_be_chosen: Callable[[str], bool] = bool,
    ) -> Breakdown:
        most = max((tally.findings for _, tally in values), default=1)
        bars = [
            Bar(
                label(value),
                tally,
                max(0.5, 100 * tally.findings / most),
                narrow(name, value) if can_be_chosen(value) else None,
                chosen.get(name) == value,
            )
            for value, tally in values[:MOST_BARS]
        ]
        or_more = name == "keyPrefix" and len(values) == MOST_PREFIXES
        return Breakdown(name, title, bars, max(0, len(values) - MOST_BARS), or_more)

    def is_folder(prefix: str) -> bool:
        # What lies higher is counted without what is below it, which a filter by the prefix would let through.
        return prefix.count("/") == depth

    def folder(prefix: str) -> str:
        return prefix if is_folder(prefix) else f"{prefix} (directly in it)" if prefix else "(no folder)"

    made = []
    if kind is not ORPHANS:
        made.append(picture("collectionId", "By collection", tallies("collection"), str))
    if kind is MISMATCHES:
        made.append(picture("discrepancyType", "By what differs", by_field(tallies("discrepancy")), discrepancy))
    made.append(picture("keyPrefix", "By key prefix", tallies("prefix"), folder, is_folder))
    return [one for one in made if one.bars]


def by_field(exact: Iterable[tuple[str, Tally]]) -> list[tuple[str, Tally]]:
    """Add up what differs in each field, whatever else does, as the filter by it counts; sets of several follow."""
    fields: dict[str, Tally] = defaultdict(Tally)
    several = []
    for value, tally in exact:
        names = value.split(", ")
        if len(names) > 1:
            several.append((value, tally))
        for name in names:
            fields[name] = _sum(fields[name], tally)
    return [(name, fields[name]) for name in COMPARABLE if name in fields] + several


def days(summary: Summary, words: KindWords) -> tuple[str, list[tuple[str, Tally]]]:
    """Give the findings by day; by month or year where there are many days, since nobody reads a thousand columns."""
    found = [(day, words.tally(part)) for day, part in summary.parts.get("day", {}).items()]
    found = [(day, tally) for day, tally in found if tally.findings]
    for unit, dropped in (("day", 0), ("month", 1), ("year", 2)):
        grouped: dict[str, Tally] = defaultdict(Tally)
        for day, tally in found:
            column = day.rsplit("-", dropped)[0]  # a year may have more than four digits
            grouped[column] = _sum(grouped[column], tally)
        if len(grouped) <= MOST_DAYS:
            return unit, list(grouped.items())
    return "year", list(grouped.items())[-MOST_DAYS:]


def _sum(one: Tally, other: Tally) -> Tally:
    return Tally(one.findings + other.findings, one.pending + other.pending, one.bytes + other.bytes)
