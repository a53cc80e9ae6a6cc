"""The log's feed under /log/: what any C2SP client reads, and the bodies beside it.

`checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]` and `policy` are the same for
everyone; `bodies/<N>[.p/<W>]` has the numbering of the entries and holds what the caller may read,
length 0 for the rest: everything for the regulator, one's own and the public ones for all others.

Paths have one spelling; whatever else is asked for, also a partial the log never had, is 404,
because clients fall back to the full tile on nothing else (C2SP tlog-tiles).
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import Receive, Scope, Send

from creditchain.api.authority import Caller
from creditchain.api.doors import Doors
from creditchain.api.identity import BadToken
from creditchain.api.inquiry import body_readable
from creditchain.api.journal import note_of
from creditchain.api.request import bearer, headers_of, respond
from creditchain.directory import Reader, What
from creditchain.tlog.tile import (
    BadPath,
    format_bundle,
    parse_bundle_path,
    parse_tile_path,
)

PREFIX: Final = "/log/"

TEXT: Final = "text/plain; charset=utf-8"
OCTETS: Final = "application/octet-stream"

# A tile never changes; a week is what other logs say.
IMMUTABLE: Final = b"max-age=604800, immutable"
FRESH: Final = b"no-cache"
PRIVATE: Final = b"private, no-store"


class Feed:
    """The ASGI endpoint of /log/."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._ledger = doors.ledger

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answers one request."""
        head = scope["method"] == "HEAD"
        if scope["method"] not in ("GET", "HEAD"):
            await respond(send, 405, TEXT, b"GET or HEAD\n", [(b"allow", b"GET, HEAD")])
            return
        try:
            caller = self._caller(scope)
        except BadToken as error:
            challenge = b'Bearer error="invalid_token"'
            await _refuse(send, 401, str(error), [(b"www-authenticate", challenge)])
            return
        # The raw path: an escaped spelling of a path is another path, and not one of ours.
        raw = scope.get("raw_path") or scope["path"].encode()
        name = raw.decode("latin-1").partition("?")[0].removeprefix(PREFIX)
        if scope["query_string"]:
            await _refuse(send, 404, "There are no query strings here.")
            return
        wants_bodies = name.startswith("bodies/")
        if caller is None and (wants_bodies or not self._doors.feed_public):
            await _refuse(send, 401, "Sign in.", [(b"www-authenticate", b"Bearer")])
            return
        found = await asyncio.to_thread(self._find, name, caller)
        if found is None:
            await _refuse(send, 404, "Not in this log.")
            return
        content_type, caching, body = found
        headers = [(b"cache-control", caching), (b"content-length", b"%d" % len(body))]
        if not (wants_bodies or not self._doors.feed_public):
            headers.append((b"access-control-allow-origin", b"*"))
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", content_type.encode()), *headers],
            }
        )
        await send({"type": "http.response.body", "body": b"" if head else body})

    def _caller(self, scope: Scope) -> Caller | None:
        token = bearer(headers_of(scope))
        if token is None:
            return None
        caller = self._doors.identity.caller_of(token)
        note_of(scope).actor = caller.actor
        return caller

    def _find(self, name: str, caller: Caller | None) -> tuple[str, bytes, bytes] | None:
        if name == "checkpoint":
            return TEXT, FRESH, self._ledger.head().note.encode()
        if name == "policy":
            return TEXT, FRESH, self._doors.policy.encode()
        # What is only for members must not lie in a shared cache.
        caching = IMMUTABLE if self._doors.feed_public else PRIVATE
        try:
            if name.startswith("bodies/"):
                assert caller is not None
                return self._bodies(name, caller)
            if name.startswith("tile/entries/"):
                place = parse_bundle_path(name)
                data = self._ledger.entry_bundle(place.n, place.width)
            else:
                tile = parse_tile_path(name)
                data = self._ledger.tile(tile.level, tile.n, tile.width)
        except BadPath:
            return None
        return None if data is None else (OCTETS, caching, data)

    def _bodies(self, name: str, caller: Caller) -> tuple[str, bytes, bytes] | None:
        place = parse_bundle_path(name, "bodies")
        bodies = self._ledger.bodies(place.n, place.width)
        if not bodies:
            return None
        book = self._ledger.book
        if caller.is_regulator:
            shown = [body or b"" for body in bodies]
            # Reads by anyone are recorded, the regulator's too; one line for a bundle.
            self._doors.directory.record_access(
                Reader(caller.actor, caller.member), What.BODY, name, self._doors.now_ms()
            )
        else:
            shown, subjects = [], set()
            for body in bodies:
                allowed, subject = (
                    (False, None) if body is None else body_readable(caller, body, book)
                )
                shown.append(body if allowed and body is not None else b"")
                if allowed and subject is not None and subject != caller.party:
                    subjects.add(subject)
            self._doors.directory.record_accesses(
                Reader(caller.actor, caller.member), What.BODY, subjects, self._doors.now_ms()
            )
        return OCTETS, PRIVATE, format_bundle(shown)


async def _refuse(
    send: Send, status: int, sentence: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    await respond(
        send, status, TEXT, f"{sentence}\n".encode(), [(b"cache-control", FRESH), *(headers or [])]
    )
