"""Sealed reports: the agency uploads one before it delivers, the orderer fetches it after.

`POST /reports/{order}` takes application/octet-stream from a fulfilling officer of the agency of an
accepted order and answers the digest that `deliverReport` must name. `GET /reports/{order}` is for
the orderer alone, who alone can open it; each fetch is recorded, and the enterprise sees it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from creditchain.api.authority import Caller
from creditchain.api.doors import Doors
from creditchain.api.failure import DoorError, ErrorCode, door_error, plain_error
from creditchain.api.identity import BadToken
from creditchain.api.journal import note_of
from creditchain.api.request import (
    BodyTooLarge,
    BodyTooSlow,
    Disconnected,
    bearer,
    header,
    headers_of,
    read_body,
    respond,
)
from creditchain.directory import Reader, What
from creditchain.events.codes import Role
from creditchain.rulebook.record import Erasure, Order, OrderStatus, Standing
from creditchain.vault import REPORT_BYTES_MAX, ReportTooLarge

JSON: Final = "application/json; charset=utf-8"
OCTETS: Final = "application/octet-stream"

UPLOADS_AT_ONCE: Final = 8
"""Uploads held in memory at once: 8 of 16 MB."""

UPLOADS_PER_AGENCY: Final = 3
"""Of these by one agency: who drips its bytes keeps no other agency from delivering in time."""

UPLOAD_WITHIN_S: Final = 300.0
"""16 MB at half a megabit a second."""

_PATH: Final = re.compile(
    r"/reports/([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})"
)

_STATUS: Final = {
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.BAD_USER_INPUT: 400,
    ErrorCode.RATE_LIMITED: 503,
}


class NoReport(Exception):
    """There is none, or none for this caller: the same answer, so that nobody can tell."""


class Reports:
    """The ASGI endpoint of /reports/."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._uploading: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        note = note_of(scope)
        try:
            await self._serve(scope, receive, send)
        except Disconnected:
            note.status = 499
        except NoReport:
            await _fail(send, 404, ErrorCode.BAD_USER_INPUT, "No such report.", note.request_id)
        except BodyTooSlow as slow:
            await _fail(send, 408, ErrorCode.BAD_USER_INPUT, str(slow), note.request_id)
        except (BodyTooLarge, ReportTooLarge):
            text = f"A sealed report has 1 to {REPORT_BYTES_MAX} bytes."
            await _fail(send, 413, ErrorCode.BAD_USER_INPUT, text, note.request_id)
        except Exception as error:
            known = door_error(error)
            if known is None:
                raise
            await _fail(send, _STATUS[known.code], known.code, known.message, note.request_id)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = _PATH.fullmatch(scope["path"])
        if match is None:
            raise NoReport
        caller = self._caller(scope)
        order = self._doors.ledger.book.get(Order, match[1])
        if order is None or caller.party not in (order.orderer, order.agency):
            raise NoReport
        if caller.standing is not Standing.ACTIVE:
            raise DoorError(ErrorCode.FORBIDDEN, "Only active members exchange reports.")
        if scope["method"] == "POST":
            await self._take(order, caller, scope, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            await self._give(order, caller, scope, send)
        else:
            raise DoorError(ErrorCode.BAD_USER_INPUT, "GET or POST.")

    def _caller(self, scope: Scope) -> Caller:
        token = bearer(headers_of(scope))
        if token is None:
            raise DoorError(ErrorCode.UNAUTHENTICATED, "Sign in: send a bearer token.")
        try:
            caller = self._doors.identity.caller_of(token)
        except BadToken as error:
            raise DoorError(ErrorCode.UNAUTHENTICATED, str(error)) from None
        note_of(scope).actor = caller.actor
        return caller

    async def _take(
        self, order: Order, caller: Caller, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if caller.party != order.agency or not _acts(caller, Role.FULFIL):
            raise DoorError(ErrorCode.FORBIDDEN, "Only the agency of the order uploads its report.")
        # After delivery the same bytes may come again: the answer to the first may have been lost.
        if order.status not in (OrderStatus.ACCEPTED, OrderStatus.DELIVERED):
            raise DoorError(ErrorCode.FORBIDDEN, "The order is not accepted.")
        if self._doors.ledger.book.get(Erasure, f"report/{order.id}") is not None:
            raise DoorError(ErrorCode.FORBIDDEN, "The report was erased.")
        headers = headers_of(scope)
        if header(headers, b"content-type").partition(";")[0].strip().lower() != OCTETS:
            raise DoorError(ErrorCode.BAD_USER_INPUT, f"Send {OCTETS}.")
        with self._share(order.agency):
            async with self._uploads:
                sealed = await read_body(headers, receive, REPORT_BYTES_MAX, UPLOAD_WITHIN_S)
                digest = await asyncio.to_thread(
                    self._doors.vault.stage, order.id, sealed, self._doors.now_ms()
                )
        answer = {"order": order.id, "ciphertext": digest, "size": len(sealed)}
        await _answer(send, 201, answer)

    @contextmanager
    def _share(self, agency: str) -> Iterator[None]:
        """One of the agency's uploads; raises `DoorError` if it has too many under way."""
        count = self._uploading.get(agency, 0)
        if count >= UPLOADS_PER_AGENCY:
            raise DoorError(ErrorCode.RATE_LIMITED, "Other uploads of yours are under way.")
        self._uploading[agency] = count + 1
        try:
            yield
        finally:
            self._uploading[agency] -= 1
            if not self._uploading[agency]:
                del self._uploading[agency]

    async def _give(self, order: Order, caller: Caller, scope: Scope, send: Send) -> None:
        if caller.party != order.orderer:
            raise DoorError(ErrorCode.FORBIDDEN, "Only the orderer fetches the report.")
        if order.report is None:
            raise NoReport
        doors, delivered = self._doors, order.report.ciphertext

        def fetch() -> bytes | None:
            sealed = doors.vault.open(order.id, delivered)
            if sealed is not None:
                reader = Reader(caller.actor, caller.member)
                doors.directory.record_access(
                    reader, What.REPORT, order.enterprise, doors.now_ms(), order.id
                )
            return sealed

        sealed = await asyncio.to_thread(fetch)
        if sealed is None:
            raise NoReport
        body = b"" if scope["method"] == "HEAD" else sealed
        await respond(
            send,
            200,
            OCTETS,
            body,
            [
                (b"cache-control", b"private, no-store"),
                (b"content-disposition", b'attachment; filename="report.sealed"'),
                (b"x-content-type-options", b"nosniff"),
            ],
        )


def _acts(caller: Caller, role: Role) -> bool:
    """Whether the caller is an officer in this role, or the member's own key (its worker's)."""
    return role in caller.roles or caller.actor == caller.member


async def _answer(send: Send, status: int, value: dict[str, Any]) -> None:
    await respond(send, status, JSON, json.dumps(value).encode(), [(b"cache-control", b"no-store")])


async def _fail(send: Send, status: int, code: ErrorCode, text: str, request_id: str) -> None:
    await _answer(send, status, {"errors": [plain_error(code, text, request_id)]})
