"""`orca-reconcile watch --once`: what it is told, what it says, and with what it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.db.engine import Database
from tests.arrival.inventories import day, deliver, taken_in
from tests.support.service import command


def watched(database: Database, folder: Path, *arguments: str) -> tuple[int, str, str]:
    environment = {"RECONCILE_DATABASE_URL": database.url, "RECONCILE_DATA_DIR": os.path.relpath(folder)}
    result = command("watch", "--once", os.path.relpath(folder), *arguments, **environment)
    assert "Traceback" not in result.stderr
    return result.returncode, result.stdout, result.stderr


async def test_a_refused_manifest_is_told_when_all_have_been_looked_at(database: Database, tmp_path: Path) -> None:
    bad = deliver(tmp_path, day(1))
    (Path(bad.removeprefix("file://")).parent / "manifest.checksum").write_text("0" * 32)
    good = deliver(tmp_path, day(2))
    code, printed, said = watched(database, tmp_path)
    assert (code, printed) == (2, "1 submitted, 1 refused, 0 without their checksum yet.\n")
    assert "Not every manifest could be taken" in said
    assert await taken_in(database) == [good]


@pytest.mark.parametrize(
    ("since", "days"),
    [
        ("2024-05-02", [2, 3]),
        ("2024-05-02T01:00:01", [3]),
        ("2024-05-02T03:00:00+02:00", [2, 3]),
        ("2024-05-02T01:00:01Z", [3]),
        ("2024-05-02T00:30:00-01:00", [3]),
    ],
)
async def test_since_is_a_time_in_utc_or_where_it_says(
    database: Database, tmp_path: Path, since: str, days: list[int]
) -> None:
    urls = {number: deliver(tmp_path, day(number)) for number in (1, 2, 3)}
    code, printed, _ = watched(database, tmp_path, "--since", since)
    assert (code, printed) == (0, f"{len(days)} submitted, 0 refused, 0 without their checksum yet.\n")
    assert await taken_in(database) == [urls[number] for number in days]


@pytest.mark.parametrize("since", ["20240502", "1714611600", "yesterday"])
async def test_a_number_is_no_time(database: Database, tmp_path: Path, since: str) -> None:
    deliver(tmp_path, day(1))
    code, printed, said = watched(database, tmp_path, "--since", since)
    assert (code, printed) == (2, "")
    assert f"'{since}' is no time such as 2024-05-06" in said
    assert await taken_in(database) == []
