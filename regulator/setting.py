"""What the settings about reports and warnings may be. PURE apart from the tables of time zones.

Each check raises `ValueError` with what is expected, and never with the value: an address of a mail
server or a webhook can carry a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from regulator.report.model import LANGUAGES, BadReport, ReportCode
from regulator.report.show import find_zone

FORMATS: Final = ("pdf", "csv", "json", "parquet")
"""What a report can be written as."""

SCHEDULED: Final = tuple(code.value for code in ReportCode if code.value != "L10")
"""What can be made without being asked: a dossier is of one case."""

RECIPIENTS_MAX: Final = 20
"""A supervision's duty list; a mailing list is one address."""

_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_PORTS: Final = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. `implicit` is TLS from the first byte, `starttls` asked for and
    insisted on; without either nobody signs in but on this machine.
    """

    host: str
    port: int
    implicit: bool
    starttls: bool
    user: str = ""
    password: str = field(default="", repr=False)


def parse_mail_server(url: str) -> MailServer:
    """`smtp://[user[:password]@]host[:port][?starttls]` or `smtps://…`; raises ValueError."""
    expected = "not smtp://user:password@host:port?starttls or smtps://…"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError(expected)
    if asked not in ({}, {"starttls": ""}) or parts.fragment:
        raise ValueError(expected)
    server = MailServer(
        parts.hostname,
        port or _PORTS[parts.scheme],
        parts.scheme == "smtps",
        bool(asked),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )
    if server.implicit and server.starttls:
        raise ValueError("smtps:// has TLS from the first byte; starttls is for smtp://")
    if server.user and not (server.implicit or server.starttls) and server.host not in _LOOPBACK:
        raise ValueError("a password would go over the line in the clear; add ?starttls")
    return server


def parse_addresses(text: str) -> tuple[str, ...]:
    """Mail addresses between commas; raises ValueError."""
    addresses = tuple(one.strip() for one in text.split(",") if one.strip())
    if len(addresses) > RECIPIENTS_MAX:
        raise ValueError(f"more than {RECIPIENTS_MAX} addresses")
    if not all(_ADDRESS.fullmatch(one) for one in addresses):
        raise ValueError("not addresses like duty@regulator.example, between commas")
    return addresses


def parse_list(text: str) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(one.strip() for one in text.split(",") if one.strip())


def check_webhook(url: str) -> None:
    """An http or https address, or nothing; raises ValueError."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.fragment
        _ = parts.port
    except ValueError:
        fits = False
    if url and not (fits and url.isascii() and url.isprintable()):
        raise ValueError("no http or https address")


def _words(allowed: tuple[str, ...]) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not set(parse_list(text)) <= set(allowed):
            raise ValueError("not some of " + ", ".join(allowed))

    return check


def _zone(text: str) -> None:
    try:
        find_zone(text)
    except BadReport as error:
        raise ValueError(str(error)) from None


def _server(text: str) -> None:
    if text:
        parse_mail_server(text)


def _sender(text: str) -> None:
    if len(parse_addresses(text)) > 1:
        raise ValueError("mail has one sender")


CHECKS: Final[Mapping[str, Callable[[str], object]]] = {
    "reports_daily": _words(SCHEDULED),
    "reports_monthly": _words(SCHEDULED),
    "report_languages": _words(LANGUAGES),
    "report_formats": _words(FORMATS),
    "report_zone": _zone,
    "webhook_url": check_webhook,
    "smtp_url": _server,
    "mail_from": _sender,
    "mail_to": parse_addresses,
}
"""The check of each setting that is more than a text."""
