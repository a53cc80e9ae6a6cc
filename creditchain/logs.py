"""What the processes say about themselves: one JSON object a line, on standard error.

Nothing secret or personal reaches a line: fields that could hold a key, a token, a body or a name
are dropped by their name, and texts are searched for what looks like one.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog

REDACTED: Final = "[redacted]"
TEXT_CHARS_MAX: Final = 4_000
"""A longer text is cut: a traceback fits, a body or a flood does not."""

_DEPTH_MAX: Final = 6

_SECRET_FIELDS: Final = frozenset(
    {
        "assertion", "authorization", "body", "ciphertext", "client_assertion", "cookie",
        "data", "document", "key", "name", "password", "payload", "private", "proof", "query",
        "request_body", "row", "salt", "seal", "secret", "seed", "signature", "statement",
        "text", "token", "access_token", "uscc", "variables",
    }
)  # fmt: skip

_SECRET_TEXTS: Final = re.compile(
    r"PRIVATE\+KEY\+\S+"  # a note signer
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"  # a token or a seal
    r"|(?i:bearer)\s+\S+"
    r"|\"(?:d|salt|proof)\"\s*:\s*\"[^\"]*\""  # a private JWK, an event
    r"|\b[0-9]{8}[0-9A-HJ-NPQRTUWXY]{10}\b"  # a Unified Social Credit Code
)


def set_up_logs(level: str = "info", stream: TextIO | None = None) -> None:
    """Send our lines, and those of the libraries from warnings up, to `stream` (standard error)."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact,
                structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=True, default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for ours in ("creditchain", "regulator"):
        logging.getLogger(ours).setLevel(level.upper())


def redact(_logger: object, _method: str, event: Any) -> Any:
    """A structlog processor: `event` without what must not be written."""
    return {name: _clean(name, value, 0) for name, value in event.items()}


def _clean(name: str, value: Any, depth: int) -> Any:
    if name.lower() in _SECRET_FIELDS:
        return REDACTED
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _clean_text(value)
        case bytes() | bytearray() | memoryview():
            return REDACTED
        case Mapping() if depth < _DEPTH_MAX:
            return {str(key): _clean(str(key), item, depth + 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset() if depth < _DEPTH_MAX:
            return [_clean("", item, depth + 1) for item in value]
        case _:
            return _clean_text(str(value))


def _clean_text(text: str) -> str:
    cut = text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX] + "…"
    return _SECRET_TEXTS.sub(REDACTED, cut)
