"""ORC data files, read by pyarrow a batch at a time: DuckDB has no reader of its own for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial, reduce

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.orc as po

from app.db.stream import Batches, Stream, read_together
from app.errors import BadInventory
from app.inventory.formats.numbering import numbered
from app.inventory.formats.reader import BATCH_ROWS, NUMBERING, RAW, DataPath
from app.inventory.formats.shape import shaped


class OrcReader:
    """Reads ORC; files of one inventory may differ in the types and the order of their columns."""

    def rows(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[DataPath], columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """Give the raw rows; files of the same schema are one stream."""
        alike: dict[pa.Schema, list[DataPath]] = defaultdict(list)
        for file in files:
            schema = _schema(file, columns)
            shaped(connection.from_arrow(schema.empty_table()), columns, file.name)
            alike[schema].append(file)
        streams = (_stream(connection, schema, group, columns) for schema, group in alike.items())
        return reduce(duckdb.DuckDBPyRelation.union, streams)

    def numbered_rows(
        self, connection: duckdb.DuckDBPyConnection, file: DataPath, columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """Give the raw rows with their numbers."""
        schema = _schema(file, columns)
        stream = numbered(schema, lambda: _batches(file, schema), "from here on the file is damaged")
        return shaped(connection.from_arrow(stream), columns, file.name, keep=tuple(field.name for field in NUMBERING))

    exact_rows = numbered_rows


def _stream(
    connection: duckdb.DuckDBPyConnection, schema: pa.Schema, files: Sequence[DataPath], columns: Mapping[str, str]
) -> duckdb.DuckDBPyRelation:
    sources = [partial(_sound_batches, file, schema) for file in files]
    return shaped(connection.from_arrow(Stream(schema, lambda: read_together(sources))), columns, files[0].name)


def _schema(file: DataPath, columns: Mapping[str, str]) -> pa.Schema:
    """Read the schema of the columns that count, without their metadata so that equal ones are equal."""
    wanted = {written.lower() for canonical, written in columns.items() if canonical in RAW}
    try:
        schema = po.ORCFile(file.path).schema
        return pa.schema([pa.field(field.name, field.type) for field in schema if field.name.lower() in wanted])
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BadInventory(f"{file.name} cannot be read as ORC: its footer is damaged.") from error


def _batches(file: DataPath, schema: pa.Schema) -> Batches:
    """Read a file by the dataset's scanner, which holds a few batches where `ORCFile` would hold whole stripes."""
    scanner = ds.dataset(str(file.path), format="orc", schema=schema).scanner(
        columns=schema.names, batch_size=BATCH_ROWS, batch_readahead=1, fragment_readahead=1, use_threads=False
    )
    rows = 0
    with scanner.to_reader() as reader:
        for batch in reader:
            rows += batch.num_rows
            yield batch
    promised = po.ORCFile(file.path).nrows
    if rows != promised:  # a damaged footer may leave stripes out
        raise pa.ArrowInvalid(f"it has {rows:,} rows, and its footer promises {promised:,}")


def _sound_batches(file: DataPath, schema: pa.Schema) -> Batches:
    try:
        for batch in _batches(file, schema):
            batch.validate(full=True)  # DuckDB would take text that is no UTF-8 on trust
            yield batch
    except (pa.ArrowException, OSError) as error:
        raise BadInventory(f"{file.name} cannot be read as ORC: {error}.") from error
