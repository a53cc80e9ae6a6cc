"""The first tables of the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# The log only grows: whoever tries otherwise, also by hand, is told so by the database itself.
_GUARDS = {
    "entry": 'UPDATE OF idx, at, commitment, id, "by", type',
    "tile": "UPDATE",
    "checkpoint": "UPDATE",
    "batch": "UPDATE",
}


def upgrade() -> None:
    _create_tables()
    if op.get_bind().dialect.name == "sqlite":
        _create_guards()


def _create_guards() -> None:
    for table, change in _GUARDS.items():
        for name, what in (("changed", change), ("deleted", "DELETE")):
            op.execute(
                f"CREATE TRIGGER {table}_never_{name} BEFORE {what} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table}: the log only grows'); END"
            )
    op.execute(
        "CREATE TRIGGER entry_body_only_erased BEFORE UPDATE OF body ON entry "
        "WHEN NEW.body IS NOT NULL "
        "BEGIN SELECT RAISE(ABORT, 'entry: a body is erased or stays'); END"
    )
    op.execute(
        "CREATE TRIGGER checkpoint_only_grows BEFORE INSERT ON checkpoint "
        "WHEN NEW.size <= (SELECT max(size) FROM checkpoint) "
        "BEGIN SELECT RAISE(ABORT, 'checkpoint: the log only grows'); END"
    )


def _create_tables() -> None:
    op.create_table(
        "batch",
        sa.Column("height", _ROW_NUMBER, autoincrement=False, nullable=False),
        sa.Column("previous", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("height", name=op.f("pk_batch")),
        sa.UniqueConstraint("first_index", name=op.f("uq_batch_first_index")),
    )
    op.create_table(
        "checkpoint",
        sa.Column("size", _ROW_NUMBER, autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_checkpoint")),
    )
    op.create_table(
        "consent",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("enterprise", sa.Text(), nullable=False),
        sa.Column("grantee", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("changed_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    op.create_index(op.f("ix_consent_changed_index"), "consent", ["changed_index"])
    op.create_index(
        op.f("ix_consent_enterprise_changed_index"), "consent", ["enterprise", "changed_index"]
    )
    op.create_index(
        op.f("ix_consent_enterprise_first_index"), "consent", ["enterprise", "first_index"]
    )
    op.create_index(op.f("ix_consent_first_index"), "consent", ["first_index"])
    op.create_index(
        op.f("ix_consent_grantee_changed_index"), "consent", ["grantee", "changed_index"]
    )
    op.create_index(op.f("ix_consent_grantee_first_index"), "consent", ["grantee", "first_index"])
    op.create_index(op.f("ix_consent_status_valid_until"), "consent", ["status", "valid_until"])
    op.create_table(
        "consortium",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("log", sa.Text(), nullable=False),
        sa.Column("regulator", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("rulebook", sa.BigInteger(), nullable=False),
        sa.Column("log_key", sa.Text(), nullable=False),
        sa.Column("refusal_key", sa.Text(), nullable=False),
        sa.Column("founded_at", sa.BigInteger(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("changed_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consortium")),
    )
    op.create_index(op.f("ix_consortium_changed_index"), "consortium", ["changed_index"])
    op.create_index(op.f("ix_consortium_first_index"), "consortium", ["first_index"])
    op.create_table(
        "enterprise",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("vouched_by", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("changed_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enterprise")),
    )
    op.create_index(op.f("ix_enterprise_changed_index"), "enterprise", ["changed_index"])
    op.create_index(op.f("ix_enterprise_first_index"), "enterprise", ["first_index"])
    op.create_index(
        op.f("ix_enterprise_vouched_by_first_index"), "enterprise", ["vouched_by", "first_index"]
    )
    op.create_table(
        "entry",
        sa.Column("idx", _ROW_NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("idx", name=op.f("pk_entry")),
        sa.UniqueConstraint("id", name=op.f("uq_entry_id")),
    )
    op.create_table(
        "erasure",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.Column("commitment", sa.Text(), nullable=True),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("changed_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
    )
    op.create_index(op.f("ix_erasure_changed_index"), "erasure", ["changed_index"])
    op.create_index(op.f("ix_erasure_first_index"), "erasure", ["first_index"])
    op.create_table(
        "member",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("admitted_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("filing", sa.Text(), nullable=True),
        sa.Column("sign_keys", sa.Text(), nullable=False),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("changed_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member")),
    )
    op.create_index(op.f("ix_member_changed_index"), "member", ["changed_index"])
    op.create_index(op.f("ix_member_first_index"), "member", ["first_index"])
    op.create_table(
        "member_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("compromised_since", sa.BigInteger(), nullable=True),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("changed_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_key")),
    )
    op.create_index(op.f("ix_member_key_changed_index"), "member_key", ["changed_index"])
    op.create_index(op.f("ix_member_key_first_index"), "member_key", ["first_index"])
    op.create_index(op.f("ix_member_key_owner_first_index"), "member_key", ["owner", "first_index"])
    op.create_table(
        "objection",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("enterprise", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("section", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("order", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("changed_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_objection")),
    )
    op.create_index(op.f("ix_objection_changed_index"), "objection", ["changed_index"])
    op.create_index(
        op.f("ix_objection_enterprise_first_index"), "objection", ["enterprise", "first_index"]
    )
    op.create_index(op.f("ix_objection_first_index"), "objection", ["first_index"])
    op.create_index(op.f("ix_objection_holder_first_index"), "objection", ["holder", "first_index"])
    op.create_table(
        "officer",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("appointed_at", sa.BigInteger(), nullable=False),
        sa.Column("dismissed_at", sa.BigInteger(), nullable=True),
        sa.Column("compromised_since", sa.BigInteger(), nullable=True),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("changed_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_officer")),
    )
    op.create_index(op.f("ix_officer_changed_index"), "officer", ["changed_index"])
    op.create_index(op.f("ix_officer_first_index"), "officer", ["first_index"])
    op.create_index(op.f("ix_officer_member_first_index"), "officer", ["member", "first_index"])
    op.create_table(
        "orders",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("orderer", sa.Text(), nullable=False),
        sa.Column("officer", sa.Text(), nullable=False),
        sa.Column("enterprise", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("sections", sa.Text(), nullable=False),
        sa.Column("seal_to", sa.Text(), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("consent", sa.Text(), nullable=True),
        sa.Column("ground", sa.Text(), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("decline_code", sa.Text(), nullable=True),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("report", sa.Text(), nullable=True),
        sa.Column("delivered_sections", sa.Text(), nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("dispute_code", sa.Text(), nullable=True),
        sa.Column("disputed_at", sa.BigInteger(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("amount", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("changed_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    op.create_index(op.f("ix_orders_agency_changed_index"), "orders", ["agency", "changed_index"])
    op.create_index(op.f("ix_orders_agency_first_index"), "orders", ["agency", "first_index"])
    op.create_index(op.f("ix_orders_changed_index"), "orders", ["changed_index"])
    op.create_index(
        op.f("ix_orders_enterprise_changed_index"), "orders", ["enterprise", "changed_index"]
    )
    op.create_index(
        op.f("ix_orders_enterprise_first_index"), "orders", ["enterprise", "first_index"]
    )
    op.create_index(op.f("ix_orders_first_index"), "orders", ["first_index"])
    op.create_index(op.f("ix_orders_orderer_changed_index"), "orders", ["orderer", "changed_index"])
    op.create_index(op.f("ix_orders_orderer_first_index"), "orders", ["orderer", "first_index"])
    op.create_index(op.f("ix_orders_status_due_at"), "orders", ["status", "due_at"])
    op.create_table(
        "product",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sections", sa.Text(), nullable=False),
        sa.Column("purposes", sa.Text(), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("due_within_ms", sa.BigInteger(), nullable=False),
        sa.Column("schema", sa.Text(), nullable=False),
        sa.Column("offered_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("changed_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
    )
    op.create_index(op.f("ix_product_agency_first_index"), "product", ["agency", "first_index"])
    op.create_index(op.f("ix_product_changed_index"), "product", ["changed_index"])
    op.create_index(op.f("ix_product_first_index"), "product", ["first_index"])
    op.create_table(
        "record_batch",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sections", sa.Text(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("committed_at", sa.BigInteger(), nullable=False),
        sa.Column("superseded_at", sa.BigInteger(), nullable=True),
        sa.Column("replacement", sa.Text(), nullable=True),
        sa.Column("first_index", sa.BigInteger(), nullable=False),
        sa.Column("changed_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_batch")),
    )
    op.create_index(op.f("ix_record_batch_changed_index"), "record_batch", ["changed_index"])
    op.create_index(op.f("ix_record_batch_first_index"), "record_batch", ["first_index"])
    op.create_index(
        op.f("ix_record_batch_member_first_index"), "record_batch", ["member", "first_index"]
    )
    op.create_table(
        "tile",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(length=8192), nullable=False),
        sa.Column("inside", sa.LargeBinary(length=8128), nullable=False),
        sa.PrimaryKeyConstraint("level", "n", name=op.f("pk_tile")),
    )
    op.create_table(
        "cosignature",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["size"], ["checkpoint.size"], name=op.f("fk_cosignature_size")),
        sa.PrimaryKeyConstraint("size", "name", name=op.f("pk_cosignature")),
    )
