"""Findings asked of members, inspection cases and the looks in them; the legal form."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Made anew, so that the table is as a new one is made.
    with op.batch_alter_table("enterprise", recreate="always") as enterprise:
        enterprise.add_column(
            sa.Column("form", sa.Text(), nullable=True), insert_after="enrolled_at"
        )
    op.create_table(
        "finding",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("answer_by", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Text(), nullable=True),
        sa.Column("pack", sa.Text(), nullable=True),
        sa.Column("earlier", sa.Text(), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("contest", sa.Text(), nullable=True),
        sa.Column("contested_at", sa.BigInteger(), nullable=True),
        *_places(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
    )
    op.create_table(
        "last_asked",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        *_places(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_last_asked")),
    )
    op.create_table(
        "inspection",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("matter", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("looks", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        *_places(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspection")),
    )
    op.create_table(
        "look",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case", sa.Text(), nullable=False),
        sa.Column("officer", sa.Text(), nullable=False),
        sa.Column("subjects", sa.Text(), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.Column("objections", sa.Text(), nullable=True),
        *_places(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_look")),
    )
    for table in ("finding", "last_asked", "inspection", "look"):
        for column in ("first_index", "changed_index"):
            op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
    for table, owner in (("finding", "member"), ("inspection", "member"), ("look", "case")):
        op.create_index(op.f(f"ix_{table}_{owner}_first_index"), table, [owner, "first_index"])


def _places() -> tuple[sa.Column[int], sa.Column[int]]:
    return (
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("changed_index", sa.BigInteger(), nullable=False),
    )
