"""The catalog of one archive location as the Spark cluster reads it: over JDBC, in parallel, under one snapshot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import reduce
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from pyspark.sql import DataFrame
from pyspark.sql.connect.session import SparkSession
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.queries import Queries
from app.db.table import SQL
from app.errors import EngineUnavailable

OURS = Queries("app.compare", "spark.sql")
FETCH_ROWS = 10_000
PART_BYTES = 32 << 20  # of the table: for less, another connection and its task cost more than they save
# What `catalog_parts` leaves to its reader, done by PostgreSQL here.
AS_COMPARED = """
SELECT file.id, file.key_path, btrim(file.etag, '"') AS etag, file.size_in_bytes, class.value AS storage_class
FROM ({}) AS file JOIN orca.storage_class AS class ON class.id = file.storage_class_id
"""
_SAME_IN_JAVA = {"sslmode", "sslrootcert", "sslcert", "sslkey"}
# pgjdbc opens a transaction before these, since Spark turns autocommit off to stream the rows.
_JOIN_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT '{}'"


@dataclass(frozen=True)
class JdbcCatalog:
    """Rows (id, key_path, etag without quotes, size_in_bytes, storage_class); each statement is one task's."""

    options: dict[str, str] = field(repr=False)
    statements: tuple[str, ...]

    @classmethod
    @asynccontextmanager
    async def under(
        cls, connection: AsyncConnection, url: str, archive_location: str, *, parts: int, reader: str
    ) -> AsyncIterator[JdbcCatalog]:
        """Have read, within the block, what `connection`'s REPEATABLE READ transaction sees.

        At most `parts` connections read at the same time, under the application name `reader`. Those that are left when
        the block fails are ended.

        Raises `EngineUnavailable` when `url` cannot be reached from other machines.
        """
        options = jdbc_options(url, reader)
        snapshot = (await connection.execute(SQL["snapshot"])).scalar_one()
        size = (await connection.execute(OURS["catalog_bytes"])).scalar_one()
        values = {"archive_location": archive_location, "parts": min(parts, size // PART_BYTES + 1)}
        statements = await connection.execute(OURS["catalog_parts"], values)
        options["sessionInitStatement"] = _JOIN_SNAPSHOT.format(snapshot)
        try:
            yield cls(options, tuple(AS_COMPARED.format(statement) for statement in statements.scalars()))
        except BaseException:
            with suppress(SQLAlchemyError):  # where the connection is lost, the readers' snapshot is as well
                await connection.execute(OURS["end_readers"], {"reader": reader})
            raise

    def rows(self, spark: SparkSession) -> DataFrame:
        """Give the rows, read when the result is."""
        reader = spark.read.format("jdbc").options(**self.options)
        parts: list[DataFrame] = [reader.option("query", statement).load() for statement in self.statements]
        return reduce(lambda some, others: some.unionAll(others), parts)


def jdbc_options(url: str, reader: str) -> dict[str, str]:
    """Turn the URL that libpq takes into what Spark's JDBC source takes.

    Of libpq's parameters those of TLS keep their meaning; the others say nothing to the cluster. Raises
    `EngineUnavailable` for a socket of this machine: Spark reads over TCP.
    """
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    parameters = dict(parse_qsl(parts.query))
    if not hosts or parameters.get("host", "").startswith("/"):
        raise EngineUnavailable(
            "Engine spark reads the catalog over TCP, and this database listens on a local socket only: "
            "set RECONCILE_DATABASE_URL to an address that the cluster can reach."
        )
    user, _, password = login.partition(":")
    kept = {name: value for name, value in parameters.items() if name in _SAME_IN_JAVA}
    query = urlencode(kept | {"ApplicationName": reader, "tcpKeepAlive": "true"})
    return {
        "url": f"jdbc:postgresql://{hosts}{parts.path or '/'}?{query}",
        "driver": "org.postgresql.Driver",
        "user": unquote(user),
        "password": unquote(password),
        "fetchsize": str(FETCH_ROWS),
    }
