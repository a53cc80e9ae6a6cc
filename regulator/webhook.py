"""High findings to a webhook: one CloudEvents 1.0 event each, structured JSON, signed.

    POST … HTTP/1.1
    Content-Type: application/cloudevents+json; charset=utf-8
    Creditchain-Signature: <detached JWS over the body, typ creditchain-warning+jws>

`id` is the finding's own id and the same on every attempt: a receiver drops what it knows. 2xx says
that it was taken. No redirect is followed and no answer is read beyond its status.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Final, Self

import httpx2

from creditchain.client.jws import sign
from creditchain.client.keys import PrivateKey
from creditchain.events import canonical_json
from regulator.outbox import Message, Notice

SIGNATURE_HEADER: Final = "Creditchain-Signature"
CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
EVENT_TYPE: Final = "creditchain.finding.high"

WARNING_TYPE: Final = "creditchain-warning+jws"
"""Of the signature over a warning: the same key signs reports."""

CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 20.0
"""For one event of a few hundred bytes, TLS and all."""

GAP_SECONDS: Final = 0.02
"""At most 50 events a second: ten thousand findings take minutes, and no receiver drowns."""

# A receiver that says one of these has read this very event and will not have it.
_REFUSING: Final = frozenset({400, 406, 409, 413, 415, 422})


class NotSent(Exception):
    """A message did not leave; `refused` when it was this very message that was not wanted."""

    def __init__(self, problem: str, *, refused: bool = False) -> None:
        super().__init__(problem)
        self.refused = refused


class Webhook:
    """The channel; an async context manager: it owns its connection."""

    name: Final = "webhook"
    most: Final = 1
    settle_s: Final = 0.0

    def __init__(
        self, url: str, observer: str, key: PrivateKey, *, gap_s: float = GAP_SECONDS
    ) -> None:
        self.gap_s = gap_s
        self._url = url
        self._observer = observer
        self._key = key
        self._client: AbstractAsyncContextManager[httpx2.AsyncClient] = httpx2.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=httpx2.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
            headers={"User-Agent": "creditchain-observer"},
        )

    async def __aenter__(self) -> Self:
        self._http = await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.aclose()

    async def send(self, message: Message) -> None:
        """Post the event; raises `NotSent`, whose text has nothing of the address."""
        (notice,) = message.notices
        body = format_event(notice, self._observer)
        headers = {
            "Content-Type": CONTENT_TYPE,
            SIGNATURE_HEADER: sign(body, self._key, WARNING_TYPE),
        }
        try:
            async with (
                asyncio.timeout(TOTAL_SECONDS),
                self._http.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                status = answer.status_code
        except TimeoutError:
            raise NotSent("the webhook is too slow") from None
        except httpx2.HTTPError as error:
            raise NotSent(f"the webhook cannot be reached ({type(error).__name__})") from None
        if not 200 <= status < 300:
            raise NotSent(f"the webhook answers {status}", refused=status in _REFUSING)


def format_event(notice: Notice, observer: str) -> bytes:
    """The CloudEvents event of a finding, in canonical JSON: the same bytes on every attempt."""
    said = notice.said
    event = {
        "specversion": "1.0",
        "id": notice.finding,
        "source": f"//{observer}/{notice.source}",
        "type": EVENT_TYPE,
        "subject": said["code"],
        "time": said["at"],
        "datacontenttype": "application/json",
        "data": said,
    }
    return canonical_json(event)
