"""What Alembic runs: on the connection that the ledger hands over, and on no other."""

from alembic import context

from creditchain.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
