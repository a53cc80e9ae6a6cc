"""High findings by mail: one mail for all that came together, with counts, the first of them, and
all of them attached as JSON with the observer's signature.

Mail of an attempt that may or may not have arrived is sent again byte for byte, with the same
Message-ID. A password is used and never said: not in an error, not in a log.
"""

from __future__ import annotations

import asyncio
import hashlib
import smtplib
import ssl
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from typing import Final

import structlog

from creditchain.client.jws import sign
from creditchain.client.keys import PrivateKey
from creditchain.events import canonical_json
from regulator.findings import title_of
from regulator.outbox import Message
from regulator.report.show import seen_text
from regulator.setting import MailServer
from regulator.webhook import WARNING_TYPE, NotSent

TOGETHER_MAX: Final = 20_000
"""Findings of one mail: 10 MB attached at most. More are a second mail."""

LISTED_MAX: Final = 50
"""Findings written out in the text; whoever gets more than that reads the attachment."""

SETTLE_SECONDS: Final = 10.0
"""A finding seldom comes alone: so long we wait for others before we write."""

GAP_SECONDS: Final = 60.0
"""At most one mail a minute, however fast findings come."""

SMTP_SECONDS: Final = 30.0
"""For each answer of the server."""

_log = structlog.get_logger("regulator.mail")

_REFUSING: Final = (550, 551, 552, 553, 554)


class Mail:
    """The channel."""

    name: Final = "mail"
    most: Final = TOGETHER_MAX

    def __init__(
        self,
        server: MailServer,
        sender: str,
        receivers: tuple[str, ...],
        observer: str,
        origin: str,
        key: PrivateKey,
        *,
        settle_s: float = SETTLE_SECONDS,
        gap_s: float = GAP_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.settle_s = settle_s
        self.gap_s = gap_s
        self._server = server
        self._sender = sender
        self._receivers = receivers
        self._observer = observer
        self._origin = origin
        self._key = key
        self._tls = tls or ssl.create_default_context()

    async def send(self, message: Message) -> None:
        """Hand it in; raises `NotSent`."""
        await asyncio.to_thread(self._send, self.compose(message))

    def compose(self, message: Message) -> EmailMessage:
        """The mail: the same bytes for the same message."""
        said = [notice.said for notice in message.notices]
        count = len(said)
        findings = canonical_json({"log": self._origin, "findings": said})
        name = hashlib.sha256(
            "\n".join(notice.finding for notice in message.notices).encode()
        ).hexdigest()[:40]
        mail = EmailMessage(policy=policy.SMTP)
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._receivers)
        plural = "" if count == 1 else "s"
        mail["Subject"] = _line(
            f"[{self._origin}] {count:,} high finding{plural} / {count:,} 项高风险问题"
        )
        mail["Date"] = datetime.fromtimestamp(message.made_at_ms / 1000, UTC)
        mail["Message-ID"] = f"<{name}@{self._observer}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(self._text(said), cte="base64")
        jws = sign(findings, self._key, WARNING_TYPE) + "\n"
        for data, file in ((findings, "findings.json"), (jws.encode(), "findings.jws")):
            mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=file)
        mail.set_boundary(f"=_{name}")
        return mail

    def _text(self, said: list[dict[str, object]]) -> str:
        codes = Counter((str(one["source"]), str(one["code"])) for one in said)
        count, observer, log = len(said), self._observer, self._origin
        lines = [
            f"The observer {observer} found {count:,} new high finding(s) in the log {log}.",
            f"监管观察节点 {observer} 在日志 {log} 中发现 {count:,} 项新的高风险问题。",
            "",
            *(
                f"{many:>8,}  {source:<9}  {code}  {' / '.join(title_of(code))}"
                for (source, code), many in codes.most_common()
            ),
            "",
        ]
        for one in said[:LISTED_MAX]:
            where = f"entry {one['index']}" if "index" in one else "the tree"
            whom = "".join(f", {key} {one[key]}" for key in ("member", "officer") if key in one)
            doubt = "" if one.get("certain", True) else ", not certain"
            lines.append(_line(f"{one['at']}  {one['code']}  {where}{whom}{doubt}  {one['id']}"))
        if len(said) > LISTED_MAX:
            lines.append(f"... {count - LISTED_MAX:,} more in findings.json / 其余见附件")
        lines += [
            "",
            "regulator findings show ID: evidence and next step / 证据与后续步骤",
            "findings.jws: the observer's signature over findings.json / 观察节点签名",
        ]
        return "\n".join(lines) + "\n"

    def _send(self, mail: EmailMessage) -> None:
        server = self._server
        try:
            smtp = self._connect()
            try:
                if server.starttls:
                    smtp.starttls(context=self._tls)
                if server.user:
                    smtp.login(server.user, server.password)
                unwanted = smtp.send_message(mail)
                # It is accepted: what the server says to our leaving changes nothing.
                with suppress(smtplib.SMTPException, OSError):
                    smtp.quit()
            finally:
                # After a failure without QUIT: a broken line would be waited on for its answer.
                smtp.close()
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            refused = all(code in _REFUSING for code in codes)
            raise NotSent(f"no receiver was accepted ({codes})", refused=refused) from None
        except smtplib.SMTPResponseException as error:
            # Its text is the server's: it may quote what we said, so only the number is kept.
            refused = isinstance(error, smtplib.SMTPDataError) and error.smtp_code in _REFUSING
            raise NotSent(
                f"the mail server answers {error.smtp_code} ({type(error).__name__})",
                refused=refused,
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            raise NotSent(f"the mail server cannot be used ({type(error).__name__})") from None
        if unwanted:
            _log.warning("some receivers were not accepted", count=len(unwanted))

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.implicit:
            return smtplib.SMTP_SSL(
                server.host,
                server.port,
                local_hostname=self._observer,
                timeout=SMTP_SECONDS,
                context=self._tls,
            )
        return smtplib.SMTP(
            server.host, server.port, local_hostname=self._observer, timeout=SMTP_SECONDS
        )


def _line(text: str) -> str:
    """One line of text from anyone."""
    return seen_text(text).replace("\n", " ")
