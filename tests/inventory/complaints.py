"""What is said of an inventory that cannot be read."""

from __future__ import annotations

import duckdb
import pytest

from app.db.duck import open_duckdb
from app.errors import BadInventory
from app.inventory.relation import InventoryFiles
from app.inventory.second_pass import MEMORY_LIMIT
from tests.inventory.building import (
    Row,
    duckdb_of_the_tests,
)

GOOD = [Row(f"good/{number}") for number in range(100)]


def complaint(files: InventoryFiles) -> str:
    """Read an inventory that cannot be read, as the engines do, and give what is said of it."""
    with duckdb_of_the_tests() as connection, pytest.raises((duckdb.Error, OSError, BadInventory)) as caught:
        for _batch in files.latest(connection).to_arrow_reader(1000):
            pass
    with open_duckdb(MEMORY_LIMIT) as memory:
        said = str(files.explain(memory, caught.value))
    assert "\n" not in said
    assert said.endswith(".")
    assert "Error:" not in said
    assert str(files.paths[0].parent) not in said
    return said
