"""Remember how many findings two jobs share, so that they are counted once."""

from __future__ import annotations

from alembic import op

from app.db.migrations import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; ORCA's tables stay as they are."""
    run_script(op.get_bind(), "change_table.sql")
