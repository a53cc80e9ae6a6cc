"""Alembic's entry: runs the steps on the connection that `open_private_store` hands over."""

from alembic import context

from creditchain.private_store.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
