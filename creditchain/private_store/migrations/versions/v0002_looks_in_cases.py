"""Accesses name the inspection case they were made in."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; what was looked at before belongs to no case."""
    op.add_column("access", sa.Column("case_id", sa.Text))
