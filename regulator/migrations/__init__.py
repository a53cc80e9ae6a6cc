"""How observer.db came to have its tables, step by step (Alembic)."""
