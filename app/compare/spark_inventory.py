"""The inventory's data files as the Spark cluster reads them where they lie, by every engine's rules."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from urllib.parse import unquote
from uuid import uuid4

import pyarrow as pa
import pyarrow.orc as po
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame
from pyspark.sql.connect import functions as F  # noqa: N812  (as Spark's documentation has it)
from pyspark.sql.connect.session import SparkSession

from app.compare.spark_dialect import in_spark
from app.db.blocking import aside
from app.db.duck import open_duckdb
from app.db.queries import Queries
from app.errors import BadInventory, EngineUnavailable
from app.inventory.formats.reader import RAW
from app.inventory.formats.shape import WHEN_NOT_CARRIED, shaped
from app.inventory.locations import Location
from app.inventory.manifest import DataFile, Manifest
from app.inventory.resolve import Found
from app.inventory.sql import DECODED, LATEST
from app.inventory.together import each

SQL = Queries("app.compare", "spark.sql")

TAIL_BYTES = 1 << 20  # of a columnar file, which holds its schema; where it does not, 16 times as much is tried
FOOTERS = 4  # read at a time
_SMALL = 100 << 20  # bytes of memory to judge schemas in
_TYPES = {pa.string(): "string", pa.bool_(): "boolean", pa.int64(): "bigint"}
_OF_CSV = {"Key": "key", "IsLatest": "truth", "IsDeleteMarker": "truth", "Size": "number", "LastModifiedDate": "time"}
_CSV_OPTIONS = {
    "quote": '"',
    "escape": '"',
    "unescapedQuoteHandling": "RAISE_ERROR",
    "multiLine": "true",  # a field may hold line ends, and a gzip cannot be split anyway
    "mode": "FAILFAST",
    "columnPruning": "false",  # or nobody counts the fields of a row
    "encoding": "UTF-8",
    "maxCharsPerColumn": str(1 << 20),
}
_UTC = {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Z", "Universal", "Zulu"}


@dataclass(frozen=True)
class ClusterInventory:
    """The data files in groups of one schema; Spark reads a group as one."""

    manifest: Manifest
    groups: tuple[tuple[Found, ...], ...]

    @classmethod
    async def of(cls, manifest: Manifest, found: Sequence[Found]) -> ClusterInventory:
        """Group the files. Raises `BadInventory` when one has a schema that cannot be used."""
        if manifest.file_format == "CSV" or not found:
            return cls(manifest, (tuple(found),) if found else ())
        parquet = manifest.file_format == "Parquet"
        schemas = await each(list(found), partial(_schema, parquet=parquet), FOOTERS)
        return cls(manifest, await aside(_alike, manifest, found, schemas))

    def verify(self, spark: SparkSession) -> None:
        """See on the cluster that each file's size and MD5 are the manifest's, and that no CSV file was cut.

        Raises `BadInventory`; a cut file fails the query, with a message that names it.
        """
        expected = {cluster_url(one.location): one.file for group in self.groups for one in group}
        if not expected:
            return
        read = spark.read.format("binaryFile").load([_literally(url) for url in expected])
        for row in read.select("path", "length", F.md5("content").alias("md5")).toArrow().to_pylist():
            file = expected.pop(re.sub(r"^file:/+", "file:///", row["path"]), None)
            if file is not None and (row["length"], row["md5"]) != (file.size, file.md5):
                raise BadInventory(_not_as_listed(file, row["length"], row["md5"]))
        if expected:
            raise BadInventory(f"{next(iter(expected.values())).key} is not where the Spark cluster reads it.")
        if self.manifest.file_format == "CSV":
            for group in self.groups:
                over(spark, spark.read.text(_paths(group)), "lines", SQL["closed"].text).toArrow()

    def latest(self, spark: SparkSession) -> DataFrame:
        """Give what `InventoryFiles.latest` gives: the latest versions, with delete markers told apart.

        A faulty row fails the query, with a message that names its file. Raises `EngineUnavailable`.
        """
        if self.manifest.file_format == "ORC" and not _in_utc(spark):
            raise EngineUnavailable(
                "Spark reads the times in ORC files by its workers' time zone, which has to be UTC: "
                "give driver and executors the Java option -Duser.timezone=UTC."
            )
        parts = (over(spark, raw, "raw", in_spark(LATEST)) for raw in self.raw(spark))
        return reduce(lambda some, others: some.unionAll(others), parts)

    def listing(self, spark: SparkSession, key: str) -> list[str]:
        """Name the files that list a key as latest, as Spark names files but with nothing percent-encoded."""
        found = (over(spark, raw, "raw", SQL["listed_as_latest"].text, key=key) for raw in self.raw(spark))
        return [unquote(row["file"]) for rows in found for row in rows.toArrow().to_pylist()]

    def raw(self, spark: SparkSession) -> list[DataFrame]:
        """Give the raw rows of each group; one without any rows when there is no file."""
        bucket = F.lit(self.manifest.source_bucket).alias("source_bucket")
        if not self.groups:
            return [spark.range(0).select(*map(_absent, RAW), bucket)]
        read = self._csv if self.manifest.file_format == "CSV" else self._columnar
        return [read(spark, group).select("*", bucket) for group in self.groups]

    def _csv(self, spark: SparkSession, group: tuple[Found, ...]) -> DataFrame:
        columns = self.manifest.columns
        names = [RAW[name].name if name in RAW else f"unused {position}" for position, name in enumerate(columns)]
        schema = ", ".join(f"`{name}` STRING" for name in names)
        written = spark.read.options(**_CSV_OPTIONS).schema(schema).csv(_paths(group))
        as_written = F.call_function("csv_text", F.col("key")).alias("written_key")
        decoded = over(spark, written.select("*", as_written), "raw", in_spark(DECODED))
        return decoded.select(
            *(_csv_column(name).alias(field.name) if name in columns else _absent(name) for name, field in RAW.items())
        )

    def _columnar(self, spark: SparkSession, group: tuple[Found, ...]) -> DataFrame:
        columns = self.manifest.written_columns
        read = spark.read.format(self.manifest.file_format.lower()).load(_paths(group))
        return read.select(
            *(_columnar_column(name, columns[name]) if name in columns else _absent(name) for name in RAW)
        )


def over(spark: SparkSession, rows: DataFrame, role: str, query: str, **values: str) -> DataFrame:
    """Put a query of ours over rows, which it calls by their role."""
    # A view under a name of its own: Spark looks a name up when the query runs, which is later than now.
    name = f"{role}_{uuid4().hex}"
    rows.createOrReplaceTempView(name)
    return spark.sql(re.sub(rf"\bFROM {role}\b", f"FROM {name}", query), values)


def cluster_url(location: Location) -> str:
    """Name a file as Hadoop's file systems do; nothing in it is percent-encoded."""
    return f"s3a://{location.bucket}/{location.path}" if location.scheme == "s3" else f"file://{location.path}"


def _csv_column(canonical: str) -> Column:
    kind = _OF_CSV.get(canonical, "text")
    column = F.col(RAW[canonical].name)
    return F.call_function(f"csv_{kind}", *([F.col("written_key")] if kind == "key" else []), column)


def _columnar_column(canonical: str, written: str) -> Column:
    kind = _type(canonical)
    column = F.col(f"`{written}`").cast(kind)
    return (F.call_function("sound_text", column) if kind == "string" else column).alias(RAW[canonical].name)


def _absent(canonical: str) -> Column:
    """Stand in for a column that the inventory does not carry."""
    return F.lit(WHEN_NOT_CARRIED.get(canonical)).cast(_type(canonical)).alias(RAW[canonical].name)


def _type(canonical: str) -> str:
    return _TYPES.get(RAW[canonical].type, "timestamp")


def _paths(group: Sequence[Found]) -> list[str]:
    return [_literally(cluster_url(one.location)) for one in group]


def _literally(url: str) -> str:
    """Escape what Hadoop would take for a pattern."""
    return re.sub(r"([{}\[\]*?\\])", r"\\\1", url)


def _in_utc(spark: SparkSession) -> bool:
    return {row["zone"] for row in spark.sql(SQL["zones"].text).toArrow().to_pylist()} <= _UTC


def _not_as_listed(file: DataFile, size: int, md5: str) -> str:
    if size != file.size:
        return f"{file.key} has {size:,} bytes, and the manifest says {file.size:,}."
    return f"{file.key} has the MD5 {md5}, and the manifest says {file.md5}."


async def _schema(one: Found, *, parquet: bool) -> pa.Schema:
    """Read a columnar file's schema from its end; positions in a footer count from there."""
    failure: Exception | None = None
    for tail in (TAIL_BYTES, 16 * TAIL_BYTES):
        try:
            end = pa.BufferReader(await one.source.read(one.location, max(0, one.file.size - tail), one.file.size))
            read = pq.read_schema(end) if parquet else po.ORCFile(end).schema
            return pa.schema([pa.field(field.name, field.type) for field in read])
        except FileNotFoundError as error:
            raise BadInventory(f"{one.file.key} went away while it was read.") from error
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            failure = error
    raise BadInventory(f"{one.file.key} cannot be read: its footer is damaged.") from failure


def _alike(manifest: Manifest, found: Sequence[Found], schemas: Sequence[pa.Schema]) -> tuple[tuple[Found, ...], ...]:
    """Group files by schema, and see that each holds what the manifest promises: Spark reads NULL where it does not."""
    groups: dict[pa.Schema, list[Found]] = defaultdict(list)
    with open_duckdb(_SMALL) as memory:
        for one, schema in zip(found, schemas, strict=True):
            if schema not in groups:
                shaped(memory.from_arrow(schema.empty_table()), manifest.written_columns, one.file.key)
            groups[schema].append(one)
    return tuple(map(tuple, groups.values()))
