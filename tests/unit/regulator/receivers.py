"""Whoever is warned: a webhook and a mail server on real sockets, who note what they were sent."""

from __future__ import annotations

import asyncio
import email
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from email import policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.unit.regulator.raw_hub import free_port


class Hook:
    """A webhook: answers with `status`, and notes headers and body of each request in order."""

    def __init__(self) -> None:
        self.port = free_port()
        self.status = 204
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.came = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/warn?token=hush"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Hook]:
        """Listen."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", self.port)
        async with server:
            yield self

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append((headers, body))
                self.came.set()
                answer = f"HTTP/1.1 {self.status} X\r\nLocation: http://127.0.0.1:1/\r\n"
                writer.write(answer.encode() + b"Content-Length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class PostOffice:
    """A mail server: takes mail or answers with `refusal`, and notes what it took."""

    def __init__(self, **options: Any) -> None:
        self.port = free_port()
        self.refusal = ""
        self.seen = 0
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.logins: list[tuple[str, str]] = []
        self._options = options

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """aiosmtpd's hook."""
        self.seen += 1
        if self.refusal:
            return self.refusal
        raw = envelope.content
        assert isinstance(raw, bytes)
        self.raw.append(raw)
        mail = email.message_from_bytes(raw, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 taken"

    def log_in(
        self, server: SMTP, session: Session, envelope: Envelope, how: str, data: Any
    ) -> Any:
        """aiosmtpd's authenticator."""
        self.logins.append((data.login.decode(), data.password.decode()))
        right = self.logins[-1] == ("duty", "hush-hush")
        return AuthResult(success=right, handled=False)

    @contextmanager
    def open(self) -> Iterator[PostOffice]:
        """Listen, in a thread of its own."""
        controller = Controller(self, hostname="127.0.0.1", port=self.port, **self._options)
        controller.start()
        try:
            yield self
        finally:
            controller.stop()
