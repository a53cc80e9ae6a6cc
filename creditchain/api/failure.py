"""What a caller of the hub is told when a door does not do what was asked; see `querying.failure`.

Here is what the hub adds: which failures of its rooms a caller may know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import structlog
from graphql import GraphQLError

from creditchain.ledger.failure import Busy, StorageFull
from creditchain.private_store import StoreFull
from creditchain.querying import failure
from creditchain.querying.failure import DoorError, ErrorCode, codes_of, plain_error

__all__ = ["DoorError", "ErrorCode", "codes_of", "door_error", "format_errors", "plain_error"]

LOG: Final = structlog.get_logger("creditchain.api")


def door_error(error: BaseException) -> DoorError | None:
    """The failure as the caller may know it; None if it must be masked."""
    if isinstance(error, Busy):
        return DoorError(ErrorCode.RATE_LIMITED, "The hub is busy: repeat with the same ids.")
    if isinstance(error, StorageFull | StoreFull):
        return DoorError(
            ErrorCode.RATE_LIMITED, "The hub's disk is full: repeat later with the same ids."
        )
    return failure.door_error(error)


def format_errors(errors: Sequence[GraphQLError], request_id: str) -> list[dict[str, Any]]:
    """The error objects of an operation."""
    return failure.format_errors(errors, request_id, door_error, LOG)
