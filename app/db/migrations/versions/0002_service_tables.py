"""Add the service's own tables and the functions that stage for a login without DDL."""

from __future__ import annotations

from alembic import op

from app.db.migrations import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them; ORCA's tables stay as they are."""
    run_script(op.get_bind(), "service_tables.sql")
    run_script(op.get_bind(), "staging_functions.sql")
