"""An interrupt ends the second pass in the midst of a file, also where it is Python that reads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from app.inventory.formats import csvgz, inflate
from tests.inventory.building import Row, csv_gz, csv_text, duckdb_of_the_tests, written

ROWS = 50_000
FEW, MANY = 5, 50


class HeldUp:
    """What is read piece by piece, held up after the first until `go_on`; `read` counts the pieces."""

    def __init__(self, pieces: Callable[..., Iterator[object]]) -> None:
        self._pieces = pieces
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.read = 0

    def __call__(self, *arguments: object) -> Iterator[object]:
        for piece in self._pieces(*arguments):
            yield piece
            self.read += 1
            self.begun.set()
            self.go_on.wait(30)


@pytest.mark.parametrize("reading", ["absurdities", "exact_batches"])
def test_a_file_of_csv_is_read_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reading: str) -> None:
    rows = [csv_text(Row(f"good/{number}")) for number in range(ROWS)]
    files = written(tmp_path, "CSV", [csv_gz([*rows, csv_text(Row("bad", size=-1))])])
    monkeypatch.setattr(inflate, "_PIECE", 1 << 16)
    held_up = HeldUp(getattr(csvgz, reading))
    monkeypatch.setattr(csvgz, reading, held_up)
    failures: list[Exception] = []

    def explain() -> None:
        try:
            files.explain(connection, duckdb.InvalidInputException("something is wrong"))
        except duckdb.Error as error:
            failures.append(error)

    with duckdb_of_the_tests() as connection:
        thread = threading.Thread(target=explain)
        thread.start()
        assert held_up.begun.wait(30)
        connection.interrupt()
        held_up.go_on.set()
        thread.join(30)
        interrupted_after = held_up.read
        said = str(files.explain(connection, duckdb.InvalidInputException("something is wrong")))
    assert [type(failure) for failure in failures] == [duckdb.InterruptException]
    assert interrupted_after <= FEW
    assert said == f"data/0.csv.gz, row {ROWS + 1}: Size is -1, and cannot be negative."
    assert held_up.read - interrupted_after >= MANY
