"""One GraphQL subscription over one WebSocket: the graphql-transport-ws protocol, client side.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

PROTOCOL: Final = Subprotocol("graphql-transport-ws")
OPEN_S: Final = 10.0
MESSAGE_BYTES_MAX: Final = 1024 * 1024
"""One change has a few KB."""

_UNAUTHENTICATED: Final = frozenset({4401, 4403})
_OPERATION: Final = "1"


class SubscriptionLost(Exception):
    """The connection ended, or was never there; `failure` is the hub's error if it gave one.

    `unauthenticated` says that the token was not or no longer accepted.
    """

    def __init__(
        self,
        reason: str,
        *,
        unauthenticated: bool = False,
        failure: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(reason)
        self.unauthenticated = unauthenticated
        self.failure = failure


async def subscribe(
    url: str,
    token: str,
    document: str,
    variables: Mapping[str, Any],
    begun: Callable[[], None] = lambda: None,
) -> AsyncGenerator[Mapping[str, Any]]:
    """The one field of each result, until the connection is lost; always ends in an exception.

    `url` is the hub's, `http` or `https`; `begun` is called when the hub takes the connection.
    Raises `SubscriptionLost`.
    """
    try:
        async with connect(
            f"ws{url.removeprefix('http')}/graphql",
            subprotocols=[PROTOCOL],
            open_timeout=OPEN_S,
            max_size=MESSAGE_BYTES_MAX,
            proxy=None,
        ) as socket:
            authorization = {"authorization": f"Bearer {token}"}
            await socket.send(_message("connection_init", payload=authorization))
            async for raw in socket:
                match _parse(raw):
                    case {"type": "connection_ack"}:
                        begun()
                        payload = {"query": document, "variables": dict(variables)}
                        await socket.send(_message("subscribe", id=_OPERATION, payload=payload))
                    case {"type": "ping"}:
                        await socket.send(_message("pong"))
                    case {"type": "next", "payload": {"errors": [error, *_]}}:
                        raise _lost(error)
                    case {"type": "next", "payload": {"data": dict(data)}} if len(data) == 1:
                        yield next(iter(data.values()))
                    case {"type": "error", "payload": [error, *_]}:
                        raise _lost(error)
                    case {"type": "complete"}:
                        raise SubscriptionLost("the hub ended the subscription")
                    case _:
                        pass
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd is not None else 1006
        reason = f"the connection closed with {code}"
        raise SubscriptionLost(reason, unauthenticated=code in _UNAUTHENTICATED) from None
    except (OSError, TimeoutError, WebSocketException) as error:
        raise SubscriptionLost(f"{type(error).__name__}: {error}") from None
    raise SubscriptionLost("the hub closed the connection")


def _lost(error: object) -> SubscriptionLost:
    facts = dict(error) if isinstance(error, dict) else {"message": str(error)}
    extensions = facts.get("extensions")
    code = extensions.get("code") if isinstance(extensions, dict) else None
    return SubscriptionLost(
        str(facts.get("message", code)),
        unauthenticated=code == "UNAUTHENTICATED",
        # What passes by itself is a lost connection; the rest is for the caller to know.
        failure=None if code in {"RATE_LIMITED", "UNAUTHENTICATED", "INTERNAL"} else facts,
    )


def _message(type_: str, **fields: Any) -> str:
    return json.dumps({"type": type_, **fields})


def _parse(raw: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise SubscriptionLost("the hub sent what is no message")
    return value
