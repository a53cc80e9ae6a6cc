"""The first tables: the copy of the log, the records, the heads, the findings."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INDEX = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "entry",
        sa.Column("idx", _INDEX, primary_key=True),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("event", sa.Text),
        sa.Column("type", sa.Text),
    )
    op.create_index("entry_event", "entry", ["event"])
    op.create_table(
        "tile",
        sa.Column("level", sa.Integer, primary_key=True),
        sa.Column("n", sa.BigInteger, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "record",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("json", sa.Text, nullable=False),
        sa.Column("changed_index", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "copy",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("genesis", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("unseen", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "head",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("time_s", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "hole",
        sa.Column("idx", _INDEX, primary_key=True),
        sa.Column("erased_by", sa.BigInteger),
        sa.Column("reported", sa.Boolean, nullable=False),
    )
    op.create_table(
        "finding",
        sa.Column("id", _INDEX, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("idx", sa.BigInteger),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("certain", sa.Boolean, nullable=False),
        sa.Column("found_at", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    # Findings are kept for ever: not even a slip of ours takes one back.
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER finding_no_{verb.lower()} BEFORE {verb} ON finding "
            "BEGIN SELECT RAISE(ABORT, 'findings are kept for ever'); END"
        )


def downgrade() -> None:
    """There is nothing before the first step."""
    raise NotImplementedError("the first step has no way back")
