"""Engine `spark`: a cluster reads the inventory and the catalog where they lie, and gives back the differences."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql.connect import functions as F  # noqa: N812  (as Spark's documentation has it)
from pyspark.sql.connect.session import SparkSession
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compare.engine import Comparison, Counted, Report
from app.compare.handing import BATCH_ROWS, Handing
from app.compare.spark_catalog import JdbcCatalog
from app.compare.spark_cluster import Cluster
from app.compare.spark_faults import DataFault, SparkUnavailable
from app.compare.spark_inventory import ClusterInventory, over
from app.db.queries import Queries
from app.errors import BadInventory
from app.inventory.fetch import fetch, release
from app.inventory.manifest import COMPARABLE, DataFile
from app.inventory.relation import InventoryFiles
from app.inventory.resolve import Found, find_files
from app.inventory.second_pass import second_pass
from app.inventory.storage import Located

SQL = Queries("app.compare", "spark.sql")

CATALOG_PARTS = 8  # connections to PostgreSQL, at most
PARTITION_BYTES = 16 << 20  # of the inventory's files, for each partition of the join
LEAST_PARTITIONS, MOST_PARTITIONS = 2, 20_000
SLICE_BYTES = 32 << 20  # of differences that are in the service's memory at a time

_PART = (
    F.sum(F.coalesce(F.octet_length("key_path"), F.lit(0)) + 200).alias("size_in_bytes"),
    F.count_if(F.col("key_path").isNull()).alias("phantoms"),
    F.count_if(F.col("file_id").isNull()).alias("orphans"),
)


@dataclass(frozen=True)
class _Found:
    """The differences as they lie on the cluster, and what it counted on the way."""

    rows: DataFrame
    parts: list[dict[str, int]]
    counted: Counted

    @property
    def agree(self) -> bool:
        phantoms, orphans = (sum(part[name] for part in self.parts) for name in ("phantoms", "orphans"))
        return self.counted.catalog_files - phantoms == self.counted.inventory_objects - orphans


class SparkEngine:
    """Joins on the cluster at `remote`; this process holds `SLICE_BYTES` of differences at a time.

    Nothing is staged or fetched; only where a row is at fault, its file is, to `spool`, to say which row it is.
    """

    name = "spark"

    def __init__(
        self,
        remote: str,
        database_url: str,
        located: Located,
        *,
        prefixes: Sequence[str],
        spool: Path,
        catalog_parts: int = CATALOG_PARTS,
    ) -> None:
        self._remote = remote
        self._url = database_url
        self.located = located
        self._prefixes = prefixes
        self._spool = spool
        self._catalog_parts = catalog_parts

    async def fill(self, connection: AsyncConnection, comparison: Comparison, report: Report) -> Counted:
        """Fill `unequal` from the cluster. Raises `BadInventory`, `SparkUnavailable`, `EngineUnavailable`."""
        found = await find_files(self.located, self._prefixes)
        inventory = await ClusterInventory.of(self.located.manifest, found)
        tag = f"orca-reconcile-{comparison.job_id}-{uuid4().hex}"
        partitions = min(max(LEAST_PARTITIONS, self.located.manifest.size_in_bytes // PARTITION_BYTES), MOST_PARTITIONS)
        where, parts = comparison.archive_location, self._catalog_parts
        async with (
            JdbcCatalog.under(connection, self._url, where, parts=parts, reader=tag) as catalog,
            Cluster.opened(self._remote, tag, report, partitions=partitions) as cluster,
        ):
            try:
                await cluster.run("verifying", inventory.verify)
                differences = await cluster.run("comparing", partial(_compare, cluster, inventory, catalog, comparison))
                counted = differences.counted
                if not differences.agree:
                    # Work that was repeated after a worker was lost may have been counted twice.
                    counted = await cluster.run("counting", partial(_count, inventory, catalog))
                handing = Handing(connection, cluster.interrupt)
                await handing.start()
                for which in slices(differences.parts):
                    table = await cluster.run("handing over", partial(_slice, differences.rows, which))
                    await handing.rows(partial(table.to_reader, BATCH_ROWS))
            except DataFault as fault:
                key = fault.listed_twice
                if key is not None:
                    raise await self._explain_duplicate(cluster, inventory, found, key) from fault
                raise await self._explain(fault, found) from fault
        return counted

    async def explain_duplicate(self, key: str) -> Exception:
        """Blame this engine: a key that is listed twice has failed the join already."""
        return AssertionError(f"Spark has joined {key!r} twice.")

    async def _explain(self, fault: DataFault, found: Sequence[Found]) -> Exception:
        """Fetch the file that Spark speaks of, or one after the other, and find the first row that is at fault."""
        error = ValueError(fault.sentence)
        unexplained = str(await second_pass(self._files((), ()).explain, error))
        spoken_of = fault.file(found)
        for one in [spoken_of] if spoken_of else found:
            async with self._fetched([one.file]) as inventory:
                explained = await second_pass(inventory.explain, error)
            if str(explained) != unexplained:
                return explained
        where = spoken_of.file.key if spoken_of else "The inventory"
        if fault.is_ours:
            return BadInventory(f"{where} cannot be read: {fault.sentence}.")
        return SparkUnavailable(f"{where} is sound, but the Spark cluster cannot read it: {fault.sentence}.")

    async def _explain_duplicate(
        self, cluster: Cluster, inventory: ClusterInventory, found: Sequence[Found], key: str
    ) -> BadInventory:
        names = await cluster.run("looking for a key", partial(inventory.listing, key=key))
        listing = [one.file for one in found if any(one.location.path in name for name in names)]
        async with self._fetched(listing) as fetched:
            return await second_pass(fetched.explain_duplicate, key)

    @asynccontextmanager
    async def _fetched(self, files: Sequence[DataFile]) -> AsyncIterator[InventoryFiles]:
        """Have some of the data files on this machine for the length of the block."""
        manifest = self.located.manifest.model_copy(update={"files": tuple(files)})
        located = replace(self.located, manifest=manifest)
        try:
            yield self._files(files, await fetch(located, self._prefixes, self._spool, lambda _done, _total: None))
        finally:
            release(self._spool, located)

    def _files(self, files: Sequence[DataFile], paths: tuple[Path, ...]) -> InventoryFiles:
        return InventoryFiles(self.located.manifest.model_copy(update={"files": tuple(files)}), paths)


def _compare(
    cluster: Cluster, inventory: ClusterInventory, catalog: JdbcCatalog, comparison: Comparison, spark: SparkSession
) -> _Found:
    """Join both sides, and leave the differences on the workers' disks."""
    one = F.count(F.lit(1)).alias("rows")
    _in_s3(spark, inventory).observe("s3", one).createOrReplaceTempView("s3")
    catalog.rows(spark).observe("catalog", one).createOrReplaceTempView("catalog")
    compared = {name: name in comparison.compared_fields for name in COMPARABLE}
    rows = spark.sql(SQL["differences"].text, compared).withColumn("part", F.spark_partition_id())
    rows.persist(StorageLevel.DISK_ONLY)
    cluster.keep(rows)
    # Not as SQL: what is observed comes back to the client with such a query alone.
    parts = rows.groupBy("part").agg(*_PART).orderBy("part")
    table = parts.toArrow()
    observed = dict(parts.executionInfo.flows) if parts.executionInfo else {}
    # A side that has no rows may not be observed at all.
    counted = Counted(*(observed.get(side, {}).get("rows", 0) for side in ("s3", "catalog")))
    return _Found(rows, table.to_pylist(), counted)


def _in_s3(spark: SparkSession, inventory: ClusterInventory) -> DataFrame:
    return over(spark, inventory.latest(spark), "latest", SQL["once"].text)


def _count(inventory: ClusterInventory, catalog: JdbcCatalog, spark: SparkSession) -> Counted:
    return Counted(_in_s3(spark, inventory).count(), catalog.rows(spark).count())


def _slice(rows: DataFrame, which: Slice, _: SparkSession) -> pa.Table:
    wanted = F.col("part").between(which.first, which.last)
    if which.of > 1:
        wanted &= F.pmod(F.xxhash64("file_id", "key_path"), F.lit(which.of)) == which.number
    return rows.where(wanted).drop("part").toArrow()


@dataclass(frozen=True)
class Slice:
    """Parts `first` to `last` of the cluster's differences; of a part too large for one slice, one in so many keys."""

    first: int
    last: int
    number: int = 0
    of: int = 1


def slices(parts: Sequence[dict[str, int]]) -> Iterator[Slice]:
    """Cut the parts, in order, into slices of about `SLICE_BYTES`."""
    waiting: list[int] = []
    size = 0
    for part in parts:
        if waiting and size + part["size_in_bytes"] > SLICE_BYTES:
            yield Slice(waiting[0], waiting[-1])
            waiting, size = [], 0
        pieces = -(-part["size_in_bytes"] // SLICE_BYTES)
        if pieces > 1:
            yield from (Slice(part["part"], part["part"], number, pieces) for number in range(pieces))
        else:
            waiting.append(part["part"])
            size += part["size_in_bytes"]
    if waiting:
        yield Slice(waiting[0], waiting[-1])
