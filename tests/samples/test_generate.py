from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from app.samples import BadSampleRequest, generate
from tests.support.reading import read_report

FORMATS = ["csv", "orc", "parquet"]


def digests(out: Path) -> dict[str, str]:
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_same_arguments_write_the_same_bytes_with_any_number_of_threads(
    file_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outs = []
    for threads in (1, 8):
        monkeypatch.setattr(os, "cpu_count", lambda threads=threads: threads)
        outs.append(tmp_path / str(threads))
        generate(3000, outs[-1], 42, file_format, data_files=3)

    assert digests(outs[0]) == digests(outs[1])
    assert len(digests(outs[0])) == 4 + 3


def test_in_how_many_pieces_it_is_written_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate(600, tmp_path / "whole", 42, "csv", findings=0.1)
    monkeypatch.setattr("app.samples.archive.POSITIONS_A_QUERY", 97)
    generate(600, tmp_path / "pieces", 42, "csv", findings=0.1)

    for name in ("catalog.csv", "expected.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "pieces" / name).read_bytes()
    # The rows of a data file have another order, which says nothing.
    whole, pieces = (
        [sorted(map(repr, rows)) for rows in read_report(tmp_path / out / "inventory" / "manifest.json").rows_by_file]
        for out in ("whole", "pieces")
    )
    assert whole == pieces


def test_another_seed_writes_other_files(tmp_path: Path) -> None:
    one, other = (generate(500, tmp_path / str(seed), seed, "csv", findings=0.1) for seed in (1, -2))

    assert set(one.phantoms).isdisjoint(other.phantoms)
    assert not set(digests(tmp_path / "1").values()) & set(digests(tmp_path / "-2").values())


def test_an_earlier_output_is_replaced_and_what_else_is_there_is_left_alone(tmp_path: Path) -> None:
    generate(500, tmp_path / "out", 1, "orc", data_files=9)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    generate(500, tmp_path / "out", 2, "csv")
    generate(500, tmp_path / "fresh", 2, "csv")

    (tmp_path / "fresh" / "notes.txt").write_text("mine")
    assert digests(tmp_path / "out") == digests(tmp_path / "fresh")


@pytest.mark.parametrize("theirs", ["catalog.csv", "inventory/manifest.json"])
def test_what_somebody_else_put_there_is_not_overwritten(theirs: str, tmp_path: Path) -> None:
    (tmp_path / theirs).parent.mkdir(exist_ok=True)
    (tmp_path / theirs).write_text("theirs")

    with pytest.raises(BadSampleRequest, match="was not generated"):
        generate(10, tmp_path, 1, "csv")
    assert (tmp_path / theirs).read_text() == "theirs"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSampleRequest, match=r"cannot be written to .*file"):
        generate(10, tmp_path / "file" / "out", 1, "csv")


def test_a_failure_of_one_thread_ends_them_all_without_a_manifest(tmp_path: Path) -> None:
    generate(10, tmp_path, 1, "csv")
    (tmp_path / "catalog.csv").unlink()
    (tmp_path / "catalog.csv").mkdir()

    with pytest.raises(BadSampleRequest, match=r"catalog\.csv"):
        generate(10, tmp_path, 1, "csv")
    assert not (tmp_path / "inventory" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"files": 0}, "at least one file"),
        ({"files": -3}, "not -3"),
        ({"file_format": "json"}, "csv, orc, parquet"),
        ({"findings": -0.1}, "between 0 and 1"),
        ({"findings": float("nan")}, "between 0 and 1"),
        ({"data_files": 0}, "at least one data file"),
        ({"bucket": "no/bucket"}, "name of a bucket"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_written(
    wrong: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    arguments: dict[str, object] = {"files": 10, "out": tmp_path / "out", "seed": 1, "file_format": "csv"}
    with pytest.raises(BadSampleRequest, match=complaint):
        generate(**(arguments | wrong))  # type: ignore[arg-type]  # that the arguments are wrong is the point
    assert not (tmp_path / "out").exists()


def test_progress_counts_up_to_the_number_of_files(tmp_path: Path) -> None:
    told: list[int] = []
    generate(1000, tmp_path, 1, "parquet", data_files=5, progress=told.append)

    assert told == sorted(told)
    assert len(told) == 1 + 5
    assert told[-1] == 1000
