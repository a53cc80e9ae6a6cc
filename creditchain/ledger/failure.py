"""How the ledger fails: each by a name that says whether to wait, to repeat or to look for help."""

from __future__ import annotations


class LedgerFailure(Exception):
    """The family of errors of the ledger."""


class LedgerRefused(LedgerFailure):
    """The ledger does not open; the message says why and what to do."""


class LedgerDamaged(LedgerFailure):
    """Stored bytes are not those the root vouches for. Nothing is served from them."""


class LedgerStopped(LedgerFailure):
    """The ledger writes no more; what was answered stands. Only opening it again helps."""


class StorageFull(LedgerFailure):
    """The disk takes no more. Nothing of the batch was written; repeat when there is space."""


class Busy(LedgerFailure):
    """More submissions are waiting than the ledger holds. Repeat later, with the same ids."""
