"""The longest keys and the furthest times that are read, and that those beyond are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.inventory.columns import FileFormat
from tests.inventory.building import EXTENSIONS, FORMATS, Row, answers, expected, inventory
from tests.inventory.complaints import complaint

FIRST = datetime(1, 1, 2, tzinfo=UTC)
LAST = datetime(9999, 12, 30, tzinfo=UTC)
MOMENT = timedelta(milliseconds=1)

# Arrow's reader of ORC counts nanoseconds, and refuses years before 1678 and after 2261.
OF_ALL_YEARS = pytest.mark.parametrize("file_format", ["CSV", "Parquet"])


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_key_may_have_1024_bytes(tmp_path: Path, file_format: FileFormat) -> None:
    rows = [Row("k" * 1024), Row("ü" * 512)]
    assert answers(inventory(tmp_path, file_format, [rows])) == expected(rows)


@OF_ALL_YEARS
def test_the_first_and_the_last_time_are_read(tmp_path: Path, file_format: FileFormat) -> None:
    rows = [Row("first", last_modified_date=FIRST), Row("last", last_modified_date=LAST)]
    assert answers(inventory(tmp_path, file_format, [rows])) == expected(rows)


@OF_ALL_YEARS
@pytest.mark.parametrize("time", [FIRST - MOMENT, LAST + MOMENT], ids=["too early", "too late"])
def test_a_time_beyond_them_is_named(tmp_path: Path, file_format: FileFormat, time: datetime) -> None:
    found = complaint(inventory(tmp_path, file_format, [[Row("a"), Row("b", last_modified_date=time)]]))
    assert found == f"data/0.{EXTENSIONS[file_format]}, row 2: LastModifiedDate is not a time of the years 1 to 9999."
