"""An inventory's rows as one DuckDB relation, and the words for what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression, StarExpression

from app.db.duck import is_not_the_data
from app.errors import BadInventory
from app.inventory.formats import READERS
from app.inventory.formats.reader import RAW, DataPath, Reader
from app.inventory.manifest import Manifest
from app.inventory.sql import FIRST_FAULT, LATEST, over_raw

_EVERY_COLUMN = """
    max(key_path), max(etag), max(size_in_bytes), epoch_us(max(last_update)), max(storage_class), bool_or(delete_marker)
"""


@dataclass(frozen=True)
class InventoryFiles:
    """The verified data files of one inventory, in the manifest's order."""

    manifest: Manifest
    paths: tuple[Path, ...]

    def latest(
        self, connection: duckdb.DuckDBPyConnection, paths: Iterable[Path] | None = None
    ) -> duckdb.DuckDBPyRelation:
        """Give the latest version of each key, of all files or of some; one that is a delete marker is not in S3.

        Columns: key_path VARCHAR, etag VARCHAR (no quotes around it), size_in_bytes BIGINT, last_update TIMESTAMPTZ,
        storage_class VARCHAR, delete_marker BOOLEAN. None is ever NULL: what is missing is '', 0 or the epoch. The
        files are read while the relation is, anew each time, in flat memory; several cursors may read several at once.

        Raises `BadInventory` when a file's schema shows that it cannot be used. A faulty row fails the query, with
        `duckdb.Error`, or `OSError` from an Arrow reader: hand either to `explain`.
        """
        files = self._files(self.paths if paths is None else paths)
        if files:
            raw = self._reader.rows(connection, files, self.manifest.written_columns)
        else:
            raw = connection.from_arrow(pa.schema(RAW.values()).empty_table())
        return over_raw(raw.select(StarExpression(), self._source_bucket), LATEST)

    def explain(self, connection: duckdb.DuckDBPyConnection, error: Exception) -> BadInventory:
        """Find, in a second pass, the first file and row that make reading fail, and say what is wrong with it.

        Takes as long as reading up to there does, and far longer for a file of CSV; an interrupt of `connection` ends
        it. Raises `error` itself when it says nothing about the data (the query was interrupted, the memory ran out).
        """
        if isinstance(error, BadInventory):
            return error
        if is_not_the_data(error):
            raise error
        try:
            for file in self._files(self.paths):
                self._check(connection, file)
        except BadInventory as found:
            return found
        return BadInventory(f"The inventory cannot be read: {self._plain(error)}.")

    def explain_duplicate(self, connection: duckdb.DuckDBPyConnection, key: str) -> BadInventory:
        """Say in which files and rows a key is listed as latest more than once; an interrupt ends it, too."""
        places = []
        for file in self._files(self.paths):
            raw = self._reader.numbered_rows(connection, file, self.manifest.written_columns)
            rows = raw.filter((ColumnExpression("key") == ConstantExpression(key)) & ColumnExpression("is_latest"))
            numbers = rows.order("row_number").project("row_number").fetchall()
            places += [f"{file.name}, row {number}" for (number,) in numbers]
        again = places[1] if len(places) > 1 else "the inventory"
        first = f" ({places[0]} was the first)" if len(places) > 1 else ""
        return BadInventory(f"{again}: key {key!r} is listed as latest a second time{first}.")

    @property
    def _reader(self) -> Reader:
        return READERS[self.manifest.file_format]

    def _files(self, paths: Iterable[Path]) -> Sequence[DataPath]:
        names = {path: file.key for path, file in zip(self.paths, self.manifest.files, strict=True)}
        return [DataPath(path, names[path]) for path in paths]

    @property
    def _source_bucket(self) -> duckdb.Expression:
        return ConstantExpression(self.manifest.source_bucket).alias("source_bucket")

    def _check(self, connection: duckdb.DuckDBPyConnection, file: DataPath) -> None:
        """Read one file as `latest` does; where that fails, read it again to know why. Raises `BadInventory`."""
        try:
            self.latest(connection, [file.path]).aggregate(_EVERY_COLUMN).fetchall()
        except duckdb.Error as error:
            if is_not_the_data(error):
                raise
            unknown = self._plain(error).removeprefix(f"{file.name} cannot be read: ")
            where, why = self._first_fault(connection, file) or ("", unknown)
            raise BadInventory(f"{file.name}{where}: {why}.") from error

    def _first_fault(self, connection: duckdb.DuckDBPyConnection, file: DataPath) -> tuple[str, str] | None:
        try:
            raw = self._reader.exact_rows(connection, file, self.manifest.written_columns)
            found = over_raw(raw.select(StarExpression(), self._source_bucket), FIRST_FAULT).fetchall()
        except duckdb.Error as error:
            if is_not_the_data(error):
                raise
            return None
        return (f", row {found[0][0]}", found[0][1]) if found else None

    def _plain(self, error: Exception) -> str:
        """Put an engine's message in plain words: one line, without the engine's headings and this machine's paths."""
        text = str(error)
        for file in self._files(self.paths):
            text = text.replace(str(file.path), file.name)
        text = re.sub(r"^(?:[\w ]+ Error: |reading the Arrow source failed: |Unknown error: )+", "", text)
        return re.split(r"\n|\. Detail: ", text, maxsplit=1)[0].rstrip(". ")
