"""What a caller is told when a door does not do what was asked: a code, a sentence, a request id.

Refusals of the law are data, not failures; they never come this way. Whatever is not a `DoorError`
is masked: the caller learns `INTERNAL` and the request id, the log the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from graphql import GraphQLError

ERRORS_MAX: Final = 50
"""Errors told of one operation; a page of 100 null names needs no 100 complaints."""


class ErrorCode(StrEnum):
    """`extensions.code` of a top-level GraphQL error."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    RATE_LIMITED = "RATE_LIMITED"
    OBSERVER_UNAVAILABLE = "OBSERVER_UNAVAILABLE"
    REPORT_NOT_UPLOADED = "REPORT_NOT_UPLOADED"
    STATISTICS_UNAVAILABLE = "STATISTICS_UNAVAILABLE"
    INTERNAL = "INTERNAL"


class DoorError(Exception):
    """A failure the caller may know: its code, a sentence, and facts for `extensions`."""

    def __init__(self, code: ErrorCode, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts = facts


Known = Callable[[BaseException], DoorError | None]
"""The failure as the caller may know it; None if it must be masked."""


def door_error(error: BaseException) -> DoorError | None:
    """Of a door that has no failures but `DoorError`."""
    return error if isinstance(error, DoorError) else None


def plain_error(code: ErrorCode, message: str, request_id: str, **facts: Any) -> dict[str, Any]:
    """One error object outside any operation."""
    return {
        "message": message,
        "extensions": {**facts, "code": code.value, "requestId": request_id},
    }


def format_errors(
    errors: Sequence[GraphQLError], request_id: str, known: Known, log: Any
) -> list[dict[str, Any]]:
    """The error objects of an operation; what must be masked is told to `log` alone."""
    return [_format(error, request_id, known, log) for error in errors[:ERRORS_MAX]]


def _format(error: GraphQLError, request_id: str, known: Known, log: Any) -> dict[str, Any]:
    cause = error.original_error
    code, facts = ErrorCode.BAD_USER_INPUT, {}
    message = error.message
    # graphql-core's own errors speak of the document and its variables, which the caller knows.
    if cause is not None and not isinstance(cause, GraphQLError):
        told = known(cause)
        if told is None:
            log.error("resolver failed", request_id=request_id, path=error.path, exc_info=cause)
            code, message = ErrorCode.INTERNAL, "Something failed inside."
        else:
            code, message, facts = told.code, told.message, told.facts
    elif error.extensions and "code" in error.extensions:
        code = ErrorCode(error.extensions["code"])
    formatted: dict[str, Any] = {"message": message}
    if error.locations:
        formatted["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path is not None:
        formatted["path"] = error.path
    formatted["extensions"] = {**facts, "code": code.value, "requestId": request_id}
    return formatted


def codes_of(formatted: Sequence[Mapping[str, Any]]) -> list[str]:
    """The codes in formatted errors, for counting."""
    return [str(error["extensions"]["code"]) for error in formatted]
