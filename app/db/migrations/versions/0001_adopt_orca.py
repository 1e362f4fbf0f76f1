"""Adopt ORCA's tables, creating those that are missing.

ORCA's `schema_versions` cannot tell what is there (a fresh install of ORCA records version 5 and has the tables of
version 7), so this looks at the tables.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from app.db.migrations import run_script
from app.errors import Misconfigured

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STORAGE_CLASS_COLUMNS = {
    ("files", "storage_class_id"),
    ("reconcile_phantom_report", "orca_storage_class_id"),
    ("reconcile_catalog_mismatch_report", "orca_storage_class_id"),
    ("reconcile_catalog_mismatch_report", "s3_storage_class"),
}


def upgrade() -> None:
    """Create what is missing, and refuse an ORCA that has not yet given its tables the storage class."""
    connection = op.get_bind()
    run_script(connection, "orca_tables.sql")
    there = connection.execute(
        text("""
            SELECT table_name, column_name FROM information_schema.columns
            WHERE table_schema = 'orca' AND column_name LIKE '%storage_class%'
        """)
    )
    missing = sorted(STORAGE_CLASS_COLUMNS - {(row.table_name, row.column_name) for row in there})
    if missing:
        columns = ", ".join(f"{table}.{column}" for table, column in missing)
        raise Misconfigured(
            f"This ORCA database is older than schema version 6: it lacks {columns}. "
            "Let ORCA's own db_deploy migrate it first; nothing was changed."
        )
