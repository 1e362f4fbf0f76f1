from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.db.migrations import require_migrated, upgrade
from app.errors import Misconfigured
from tests.support.orca import orca_database
from tests.support.postgres import Server

# Everything that makes up ORCA's tables: columns, constraints, owners, privileges.
SHAPE = """
    SELECT c.relname, pg_get_userbyid(c.relowner), c.relacl::text,
           (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull, ', '
                              ORDER BY a.attnum)
            FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
           (SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), ', ' ORDER BY conname)
            FROM pg_constraint WHERE conrelid = c.oid)
    FROM pg_class AS c
    WHERE c.relnamespace = 'orca'::regnamespace AND c.relkind IN ('r', 'p')
    ORDER BY c.relname
"""
# What a new role may do is what everybody may.
AS_THE_OWNER = """
    SELECT oid::regprocedure::text, has_function_privilege('public', oid, 'EXECUTE'), replace(proconfig::text, '"', '')
    FROM pg_proc WHERE pronamespace = 'orca'::regnamespace AND prosecdef
"""
ROWS = "SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM orca.{} AS t"


async def picture(url: str, tables: list[str] | None = None) -> tuple[dict[str, tuple[object, ...]], dict[str, str]]:
    connection = await asyncpg.connect(url)
    try:
        shape = {row["relname"]: tuple(row) for row in await connection.fetch(SHAPE)}
        names = tables or list(shape)
        return shape, {name: await connection.fetchval(ROWS.format(name)) for name in names}
    finally:
        await connection.close()


@pytest.mark.parametrize("schema_version", [5, 7])
async def test_orcas_database_is_adopted_as_it_is(server: Server, schema_version: int) -> None:
    async with orca_database(server, schema_version) as name:
        shape, rows = await picture(server.url(name))
        database = Database.at(server.url(name))
        await upgrade(database)
        await require_migrated(database)
        await database.dispose()
        shape_after, rows_after = await picture(server.url(name), list(shape))
        assert {table: shape_after[table] for table in shape} == shape
        assert rows_after == rows
        new = shape_after.keys() - shape.keys()
        assert {owner for _, owner, *_ in (shape_after[table] for table in new)} == {"orca_dbo"}


async def test_orcas_application_login_may_use_what_the_migration_made(server: Server) -> None:
    async with orca_database(server) as name:
        administrator = Database.at(server.url(name))
        await upgrade(administrator)
        await administrator.dispose()
        login = Database.at(server.url(name, "orca_user"))
        async with login.transaction() as connection:
            await connection.execute(text("SELECT * FROM orca.reconcile_job_overview"))
            may_do_ddl = await connection.execute(text("SELECT has_schema_privilege('orca', 'CREATE')"))
            assert not may_do_ddl.scalar_one()
        await login.dispose()


async def test_what_is_done_as_the_owner_is_done_for_nobody_else_and_finds_no_names_of_theirs(server: Server) -> None:
    async with orca_database(server) as name:
        database = Database.at(server.url(name))
        await upgrade(database)
        async with database.reading() as connection:
            found = (await connection.execute(text(AS_THE_OWNER))).all()
        await database.dispose()
    assert len(found) == 4
    assert {(public, settings) for _, public, settings in found} == {(False, "{search_path=pg_catalog, pg_temp}")}


async def test_an_orca_without_storage_classes_is_refused_and_left_alone(server: Server) -> None:
    async with orca_database(server, 5) as name:
        await server.execute("ALTER TABLE orca.files DROP COLUMN storage_class_id", database=name)
        before = await picture(server.url(name))
        database = Database.at(server.url(name))
        with pytest.raises(Misconfigured, match=r"older than schema version 6.*files\.storage_class_id"):
            await upgrade(database)
        await database.dispose()
        assert await picture(server.url(name)) == before


async def test_a_login_that_may_not_become_the_owner_is_told_so(server: Server) -> None:
    async with orca_database(server) as name:
        database = Database.at(server.url(name, "orca_user"))
        with pytest.raises(Misconfigured, match="not a member"):
            await upgrade(database)
        await database.dispose()
