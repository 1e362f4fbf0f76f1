"""Alembic's entry: run the migrations on the connection that `upgrade` hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from app.db.migrations import SCHEMA, VERSION_TABLE
from app.errors import Misconfigured


def take_owner_role(connection: Connection) -> None:
    """Become `orca_dbo` where ORCA has given that role the schema: its default privileges hang on what that role makes.

    Raises `Misconfigured` when the login may not.
    """
    owns, member = connection.execute(
        text("""
            SELECT CASE WHEN to_regnamespace(:schema) IS NULL
                        THEN has_database_privilege(oid, current_database(), 'CREATE')
                        ELSE has_schema_privilege(oid, to_regnamespace(:schema), 'CREATE') END,
                   pg_has_role(current_user, oid, 'MEMBER')
            FROM pg_roles WHERE rolname = 'orca_dbo'
            UNION ALL SELECT false, false
            LIMIT 1
        """),
        {"schema": SCHEMA},
    ).one()
    if owns and not member:
        raise Misconfigured(
            "This database belongs to ORCA's role orca_dbo, and the login is not a member of it: "
            "migrate with ORCA's administrator, or GRANT orca_dbo to the login."
        )
    if owns:
        connection.execute(text("SET LOCAL ROLE orca_dbo"))


def migrate(connection: Connection) -> None:
    """Run what is missing, with short waits for locks so that a busy ORCA is never held up behind us."""
    connection.execute(text("SET LOCAL lock_timeout = '10s'"))
    take_owner_role(connection)
    schema_exists = connection.execute(text("SELECT to_regnamespace(:name) IS NOT NULL"), {"name": SCHEMA}).scalar_one()
    if not schema_exists:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    context.configure(connection=connection, version_table=VERSION_TABLE, version_table_schema=SCHEMA)
    context.run_migrations()


migrate(context.config.attributes["connection"])
