"""Alembic migrations of `private.db`, run by `open_private_store`."""
