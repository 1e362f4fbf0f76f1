"""The commands that print reports and changes give the same from the local database and from a service elsewhere."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess

import pytest

from app.db.engine import Database
from app.reports.findings import ORPHANS
from tests.commands.conftest import Place
from tests.reports.published import CREATED, CREATED_MS, Row, add_job, add_rows, publish
from tests.support.service import COMMAND, command


def ran(place: Place, *arguments: str) -> tuple[int, str, str]:
    result = command(*arguments, *place.arguments, **place.environment)
    assert "Traceback" not in result.stderr
    return result.returncode, result.stdout, result.stderr


async def test_a_report_is_a_table_csv_or_json(place: Place, jobs: list[int]) -> None:
    job = str(jobs[1])
    code, table, said = ran(place, "report", job, "mismatches")
    assert (code, said) == (1, "")
    assert "etag, size_in_bytes" in table

    code, lines, _ = ran(place, "report", job, "orphans", "--json")
    assert [json.loads(line)["keyPath"] for line in lines.splitlines()] == ["=new", "a"]
    assert list(json.loads(lines.splitlines()[0])) == list(ORPHANS.columns)

    code, text, _ = ran(place, "report", job, "orphans", "--csv")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert (code, [row["keyPath"] for row in rows], list(rows[0])) == (1, ["=new", "a"], list(ORPHANS.columns))

    code, lines, said = ran(place, "report", job, "orphans", "--limit", "1")
    assert (code, "=new" in lines, "│ a " in lines) == (1, True, False)
    assert "there are more" in said
    assert len(ran(place, "report", job, "orphans", "--limit", "1", "--json")[1].splitlines()) == 1
    assert len(ran(place, "report", job, "orphans", "--limit", "1", "--csv")[1].splitlines()) == 2
    assert ran(place, "report", job, "orphans", "--csv", "--json")[0] == 2


async def test_a_report_without_findings_ends_with_0(place: Place, database: Database) -> None:
    job = await add_job(database)
    await publish(database, job)
    assert ran(place, "report", str(job), "phantoms")[0] == 0
    assert ran(place, "report", str(job), "phantoms", "--json")[:2] == (0, "")
    header = ran(place, "report", str(job), "orphans", "--csv")
    assert (header[0], header[1].replace('"', "").strip()) == (0, ",".join(ORPHANS.columns))


async def test_a_reader_who_has_seen_enough_is_no_fault(place: Place, database: Database) -> None:
    job = await add_job(database)
    await add_rows(database, job, "orphans", [Row(f"{number:05}" + "x" * 900) for number in range(400)])
    await publish(database, job)
    with subprocess.Popen(
        [*COMMAND, "report", str(job), "orphans", "--json", *place.arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **place.environment},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


async def test_what_changed(place: Place, jobs: list[int]) -> None:
    first, job = map(str, jobs)
    code, table, _ = ran(place, "changes", job)
    assert (code, f"since job {first}" in table) == (1, True)
    code, text, _ = ran(place, "changes", job, "--json")
    assert json.loads(text)["totals"]["orphan"] == {"new": 1, "resolved": 1, "persisting": 1}

    code, text, _ = ran(place, "changes", job, "orphans", "--change", "persisting", "--min-jobs", "2", "--json")
    item = json.loads(text)
    assert (code, item["keyPath"], item["consecutiveJobs"]) == (1, "a", 2)
    assert (item["firstJobId"], item["firstSeen"]) == (jobs[0], CREATED_MS)
    code, table, _ = ran(place, "changes", job, "phantoms", "--change", "resolved", "--against", first)
    assert (code, "gone" in table, f"{CREATED:%Y-%m-%d} (job {first})" in table) == (1, True, True)
    assert ran(place, "changes", job, "phantoms", "--min-jobs", "2", "--json")[:2] == (0, "")


async def test_a_table_of_changes_says_that_there_are_more(place: Place, jobs: list[int], database: Database) -> None:
    later = await add_job(database, created=CREATED.replace(year=2025))
    await add_rows(database, later, "orphans", [Row(f"{number:04}") for number in range(1001)])
    await publish(database, later)
    listing = ("changes", str(later), "orphans")
    for limit, last in ((None, 100), (1, 1), (1000, 1000)):
        _, table, said = ran(place, *listing, *(("--limit", str(limit)) if limit else ()))
        assert said == f"These are the first {last:,}; there are more: --limit or --json.\n"
        assert (f"│ {last - 1:04} " in table, f"│ {last:04} " in table) == (True, False)
    assert ran(place, *listing, "--limit", "1001")[2] == ""
    code, lines, said = ran(place, *listing, "--limit", "1", "--json")
    assert (code, len(lines.splitlines()), said) == (1, 1, "")
    assert ran(place, "changes", str(jobs[1]), "orphans")[2] == ""


@pytest.mark.usefixtures("jobs")
async def test_nothing_new_ends_with_0(place: Place, database: Database) -> None:
    later = await add_job(database, created=CREATED.replace(year=2025))
    await publish(database, later)
    code, table, _ = ran(place, "changes", str(later))
    assert (code, "resolved" in table) == (0, True)


async def test_what_is_not_there_is_said(place: Place, jobs: list[int], database: Database) -> None:
    running = await add_job(database, status=3)
    for arguments, sentence in (
        (("report", "99", "phantoms"), "There is no job 99"),
        (("report", str(running), "phantoms", "--json"), f"Job {running} has published no report yet"),
        (("changes", "99"), "There is no job 99"),
        (("changes", str(jobs[0]), "--against", str(jobs[1])), "is not earlier than"),
    ):
        code, printed, said = ran(place, *arguments)
        assert (code, printed) == (2, "")
        assert sentence in said
    assert ran(place, "report", str(jobs[0]), "oddities")[0] == 2
    assert ran(place, "report", str(10**30), "phantoms")[0] == 2
