"""The first tables: row keys, directory, accesses, reports."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "row_key",
        sa.Column("slot", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "directory",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("uscc_bucket", sa.Integer),
        sa.Column(
            "slot",
            sa.Integer,
            sa.ForeignKey("row_key.slot", name="fk_directory_slot"),
            nullable=False,
        ),
        sa.Column("content", sa.LargeBinary),
        sa.Column("staged_at", sa.BigInteger, nullable=False),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        sa.Column("erased_at", sa.BigInteger),
        sa.UniqueConstraint("id", "identity", name="uq_directory_id_identity"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_directory_uscc_bucket", "directory", ["uscc_bucket"])
    op.create_index("ix_directory_confirmed_seq", "directory", ["confirmed", "seq"])
    op.create_table(
        "access",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("member", sa.Text),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("order_id", sa.Text),
        sqlite_autoincrement=True,
    )
    for column in ("subject", "member", "actor"):
        op.create_index(f"ix_access_{column}_seq", "access", [column, "seq"])
    op.create_table(
        "report",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column(
            "slot",
            sa.Integer,
            sa.ForeignKey("row_key.slot", name="fk_report_slot"),
            nullable=False,
        ),
        sa.Column("staged_at", sa.BigInteger, nullable=False),
        sa.Column("delivered_at", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("ciphertext", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("order_id", "digest", name="uq_report_order_id_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_report_expires_at", "report", ["expires_at"])
    op.create_index("ix_report_delivered_at_seq", "report", ["delivered_at", "seq"])
