"""The private store: `private.db`, where names and sealed reports live and can truly be erased.

It is a second SQLite file so that whoever steals the log's database gets no name, and so that
erasing never touches the log. `creditchain.directory` and `creditchain.vault` give it its meaning;
here are its tables, its migrations and the shredding of rows.
"""

from creditchain.private_store.engine import (
    StoreFull,
    StoreTooNew,
    StoreUnusable,
    open_private_store,
    reading,
    scrub,
    writing,
)

__all__ = [
    "StoreFull",
    "StoreTooNew",
    "StoreUnusable",
    "open_private_store",
    "reading",
    "scrub",
    "writing",
]
