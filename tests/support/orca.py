"""A database as ORCA's own installer leaves it: its roles, its default privileges, its tables owned by `orca_dbo`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

import asyncpg

from tests.support.postgres import Server

ROLES = """
    DO $$
    BEGIN
        -- Tests run side by side. Roles belong to the server, but locks like this one to a database: all take it in the same.
        PERFORM pg_advisory_xact_lock(2);
        IF to_regrole('orca_dbo') IS NULL THEN
            CREATE ROLE orca_dbo NOLOGIN;
            CREATE ROLE orca_app NOLOGIN;
            CREATE ROLE orca_user LOGIN IN ROLE orca_app;
            ALTER ROLE orca_user SET search_path = orca, public;
        END IF;
    END
    $$
"""
SCHEMA = """
    CREATE SCHEMA orca AUTHORIZATION orca_dbo;
    GRANT USAGE ON SCHEMA orca TO orca_app;
    ALTER DEFAULT PRIVILEGES FOR USER orca_dbo IN SCHEMA orca
        GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES, TRIGGER ON TABLES TO orca_app;
    ALTER DEFAULT PRIVILEGES FOR USER orca_dbo IN SCHEMA orca GRANT EXECUTE ON FUNCTIONS TO orca_app;
    ALTER DEFAULT PRIVILEGES FOR USER orca_dbo IN SCHEMA orca GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO orca_app;
    SET ROLE orca_dbo;
    CREATE TABLE orca.schema_versions (
        version_id int PRIMARY KEY, description text NOT NULL, install_date timestamptz NOT NULL, is_latest bool NOT NULL
    );
"""
PARTITION = """
    CREATE TABLE orca.reconcile_s3_object_orca_archive PARTITION OF orca.reconcile_s3_object (
        CONSTRAINT pk_reconcile_s3_object_orca_archive PRIMARY KEY (key_path),
        CONSTRAINT fk_reconcile_job_reconcile_s3_object_orca_archive
            FOREIGN KEY (job_id) REFERENCES orca.reconcile_job (id)
    ) FOR VALUES IN ('orca-archive');
"""
DATA = """
    INSERT INTO orca.providers VALUES ('LPDAAC', 'LP DAAC');
    INSERT INTO orca.collections VALUES ('MOD09GQ___061', 'MOD09GQ', '061');
    INSERT INTO orca.granules (provider_id, collection_id, cumulus_granule_id, execution_id, ingest_time, cumulus_create_time,
                               last_update)
    VALUES ('LPDAAC', 'MOD09GQ___061', 'g1', 'e', '2020-01-01Z', '2020-01-01Z', '2020-01-01Z');
    INSERT INTO orca.files (granule_id, name, orca_archive_location, cumulus_archive_location, key_path, ingest_time, etag,
                            version, size_in_bytes, storage_class_id)
    SELECT 1, key, 'orca-archive', 'cumulus', key, '2020-01-01Z', '"e1"', 'v', 10, 1
    FROM unnest(ARRAY['same', 'phantom', 'etag', 'size', 'class', 'deleted', 'late']) AS key;
    INSERT INTO orca.reconcile_job (orca_archive_location, status_id, inventory_creation_time, start_time, last_update)
    VALUES ('orca-archive', 2, '2024-05-07 01:00Z', now(), now());
    INSERT INTO orca.reconcile_s3_object VALUES
        (1, 'orca-archive', 'same', '"e1"', '2020-01-01Z', 10, 'GLACIER', false),
        (1, 'orca-archive', 'etag', '"e2"', '2020-01-01Z', 10, 'GLACIER', false),
        (1, 'orca-archive', 'size', '"e1"', '2020-01-01Z', 11, 'GLACIER', false),
        (1, 'orca-archive', 'class', '"e1"', '2020-01-01Z', 10, 'STANDARD', false),
        (1, 'orca-archive', 'late', '"e2"', '2024-05-07 01:00Z', 11, 'STANDARD', false),
        (1, 'orca-archive', 'orphan', '"e1"', '2020-01-01Z', 10, 'GLACIER', false),
        (1, 'orca-archive', 'deleted', '""', '2020-01-01Z', 0, '', true);
"""


@asynccontextmanager
async def orca_database(server: Server, schema_version: int = 7) -> AsyncIterator[str]:
    """Install ORCA's database with a staged job 1 in it, for the length of the block; gives its name."""
    tables = (files("app.db.migrations") / "sql" / "orca_tables.sql").read_text()
    version = f"INSERT INTO orca.schema_versions VALUES ({schema_version}, 'ORCA', now(), true);"
    await server.execute(ROLES)
    async with server.fresh("template1") as name:
        connection = await asyncpg.connect(server.url(name))
        try:
            await connection.execute(SCHEMA + tables + version + PARTITION + DATA)
        finally:
            await connection.close()
        yield name
