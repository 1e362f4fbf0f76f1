"""Gzipped CSV data files: no header, every field quoted, keys URL-encoded.

pyarrow reads them rather than DuckDB: it is faster at it, checks the gzip's checksum, and lets us bound what a gzip
may inflate to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import duckdb
import pyarrow as pa
import pyarrow.csv as pc

from app.db.stream import Batches, Stream, read_together
from app.errors import BadInventory
from app.inventory.formats.csvexact import exact_batches
from app.inventory.formats.inflate import Inflated, absurdities
from app.inventory.formats.numbering import numbered
from app.inventory.formats.reader import NUMBERING, RAW, DataPath
from app.inventory.formats.shape import shaped
from app.inventory.sql import DECODED, over_raw

# Text is taken in blocks of this many bytes, and no row may be longer: S3 writes at most a few kilobytes a row.
MOST_ROW_BYTES = 1 << 20


class CsvReader:
    """Reads CSV by position: the manifest's schema says which column is which."""

    def rows(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[DataPath], columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """Give the raw rows of all files as one stream."""
        schema = _schema(columns)
        sources = [partial(_batches, file, schema, tuple(columns)) for file in files]
        stream = Stream(schema, lambda: read_together(sources))
        return over_raw(shaped(connection.from_arrow(stream), _named(columns), files[0].name), DECODED)

    def numbered_rows(
        self, connection: duckdb.DuckDBPyConnection, file: DataPath, columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """Give the raw rows with their numbers, as fast as `rows` does."""
        schema = _schema(columns)
        batches = partial(_batches, file, schema, tuple(columns))
        stream = numbered(schema, batches, "from here on the file cannot be read")
        kept = tuple(field.name for field in NUMBERING)
        return over_raw(shaped(connection.from_arrow(stream), _named(columns), file.name, keep=kept), DECODED)

    def exact_rows(
        self, connection: duckdb.DuckDBPyConnection, file: DataPath, columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """Give the raw rows as Python reads them, field by field; keys are decoded already."""
        _require_reasonable(connection, file)  # Python would take hours over what inflates absurdly
        schema = pa.schema([*_schema(columns), *NUMBERING])
        stream = Stream(schema, lambda: exact_batches(file, tuple(columns), schema))
        kept = tuple(field.name for field in NUMBERING)
        return shaped(connection.from_arrow(stream), _named(columns), file.name, keep=kept)


def _require_reasonable(connection: duckdb.DuckDBPyConnection, file: DataPath) -> None:
    """Raise `BadInventory` when a gzip inflates absurdly; what else may be wrong with it is not looked for.

    It is a query, with a row for each piece, so that an interrupt ends it.
    """
    schema = pa.schema({"why": pa.string()})

    def pieces() -> Batches:
        return (pa.record_batch([pa.array([why], pa.string())], schema) for why in absurdities(file))

    found = connection.from_arrow(Stream(schema, pieces)).filter("why IS NOT NULL").fetchall()
    if found:
        raise BadInventory(f"{file.name} cannot be read: {found[0][0]}.")


def _schema(columns: Mapping[str, str]) -> pa.Schema:
    return pa.schema([RAW[canonical] for canonical in columns if canonical in RAW])


def _named(columns: Mapping[str, str]) -> dict[str, str]:
    """Map the canonical names to the raw ones, by which the streams of this module call their columns."""
    return {canonical: RAW[canonical].name for canonical in columns if canonical in RAW}


def _batches(file: DataPath, schema: pa.Schema, written: tuple[str, ...]) -> Batches:
    """Read a file's columns of `schema`, strictly typed: an empty field is NULL where it is no text."""
    by_canonical = {canonical: field.name for canonical, field in RAW.items() if field in schema}
    names = [by_canonical.get(canonical, f"{position} unused") for position, canonical in enumerate(written)]
    with _named_in_errors(file):
        inflated = Inflated(file)
        if inflated.empty:
            inflated.close()
            return
        with pa.PythonFile(inflated, mode="r") as text, _opened(text, names, schema) as reader:
            yield from reader


def _opened(text: pa.PythonFile, names: list[str], schema: pa.Schema) -> pc.CSVStreamingReader:
    return pc.open_csv(
        text,
        # One thread a file: the files are read side by side, and only so does pyarrow tell the row of a fault.
        read_options=pc.ReadOptions(use_threads=False, block_size=MOST_ROW_BYTES, column_names=names),
        parse_options=pc.ParseOptions(newlines_in_values=True, ignore_empty_lines=True),
        convert_options=pc.ConvertOptions(
            column_types=schema,
            include_columns=schema.names,
            null_values=[""],
            strings_can_be_null=False,
            true_values=["true"],
            false_values=["false"],
        ),
    )


@contextmanager
def _named_in_errors(file: DataPath) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise BadInventory(f"{file.name} cannot be read: {error}.") from error
