"""Load into a table for each attempt of a run, so that two attempts never meet in one."""

from __future__ import annotations

from alembic import op

from app.db.migrations import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the functions; ORCA's tables stay as they are."""
    run_script(op.get_bind(), "staging_attempts.sql")
