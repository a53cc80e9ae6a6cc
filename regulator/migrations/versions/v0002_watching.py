"""What members handed in and waits for our copy; where the walks are; what is damaged."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INDEX = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "submission",
        sa.Column("id", _INDEX, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("came_at", sa.BigInteger, nullable=False),
        sa.Column("reported", sa.Boolean, nullable=False),
    )
    op.create_table(
        "walk",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("rounds", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "damage",
        sa.Column("part", sa.Text, primary_key=True),
        sa.Column("idx", sa.BigInteger, primary_key=True),
        sa.Column("found_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables; what waited in them must be handed in again."""
    for name in ("submission", "walk", "damage"):
        op.drop_table(name)
