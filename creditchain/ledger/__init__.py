"""The ledger: the only writer of the log.

`Ledger` is the way in: it takes sealed events, orders them through `order`, decides them by the
rulebook, and stores the log and the records that follow from it, each batch in one transaction.
`tables` is what readers query beside it.
"""

from creditchain.ledger.failure import (
    Busy,
    LedgerDamaged,
    LedgerFailure,
    LedgerRefused,
    LedgerStopped,
    StorageFull,
)
from creditchain.ledger.ledger import Ledger
from creditchain.ledger.publisher import (
    Admitted,
    Answer,
    Head,
    HubKeys,
    Level,
    Receipt,
    Refused,
)
from creditchain.ledger.refill import Refilled, refill

__all__ = [
    "Admitted",
    "Answer",
    "Busy",
    "Head",
    "HubKeys",
    "Ledger",
    "LedgerDamaged",
    "LedgerFailure",
    "LedgerRefused",
    "LedgerStopped",
    "Level",
    "Receipt",
    "Refilled",
    "Refused",
    "StorageFull",
    "refill",
]
