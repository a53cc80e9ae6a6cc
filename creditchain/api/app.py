"""The hub's doors as one Starlette application.

    app = create_app(Doors(ledger, directory, vault, token_key=…))

Routes: /graphql (HTTP, SSE, WebSocket), /token, /reports/{order}, /log/…, /healthz, /readyz,
/metrics. `Operations` in `app.state.operations` runs documents for whoever shares the process.
"""

from __future__ import annotations

import json
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import Lifespan, Receive, Scope, Send

from creditchain.api.doors import Doors
from creditchain.api.feed import Feed
from creditchain.api.health import Healthz, Metrics, Readyz
from creditchain.api.identity import SignInRefused
from creditchain.api.journal import SIGN_INS, Journal, note_of
from creditchain.api.over_http import GraphQLOverHTTP, Operations
from creditchain.api.over_websocket import GraphQLOverWebSocket
from creditchain.api.reports import Reports
from creditchain.api.request import (
    BodyTooLarge,
    BodyTooSlow,
    Disconnected,
    header,
    headers_of,
    read_body,
    respond,
)
from creditchain.querying.assertion import FORM_BYTES_MAX, FORM_TYPE

__all__ = ["Doors", "create_app"]

_JSON: Final = "application/json; charset=utf-8"
# RFC 6749 section 5.1.
_NO_STORE: Final = [(b"cache-control", b"no-store"), (b"pragma", b"no-cache")]


def create_app(
    doors: Doors,
    *,
    lifespan: Lifespan[Starlette] | None = None,
    routes: list[BaseRoute] | None = None,
) -> Starlette:
    """The application; `routes` (the console's pages) come after the doors."""
    operations = Operations(doors)
    graphql = GraphQLOverHTTP(operations)
    app = Starlette(
        routes=[
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", GraphQLOverWebSocket(operations)),
            Route("/token", TokenDoor(doors)),
            Mount("/log", _Whole(Feed(doors))),
            Mount("/reports", _Whole(Reports(doors))),
            Route("/healthz", Healthz()),
            Route("/readyz", Readyz(doors)),
            Route("/metrics", Metrics(doors)),
            *(routes or ()),
        ],
        middleware=[Middleware(Journal, at_once={"/graphql": graphql})],
        lifespan=lifespan,
    )
    app.state.operations = operations
    return app


class _Whole:
    """An endpoint mounted under a prefix that reads the whole path itself."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)


class TokenDoor:
    """The ASGI endpoint of /token (RFC 6749 section 4.4, RFC 7523)."""

    def __init__(self, doors: Doors) -> None:
        self._identity = doors.identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        try:
            answer = await self._exchange(scope, receive)
        except Disconnected:
            note_of(scope).status = 499
            return
        except SignInRefused as refused:
            SIGN_INS.labels(refused.error).inc()
            value = {"error": refused.error, "error_description": refused.description}
            await respond(send, refused.status, _JSON, json.dumps(value).encode(), _NO_STORE)
            return
        SIGN_INS.labels("granted").inc()
        await respond(send, 200, _JSON, json.dumps(answer).encode(), _NO_STORE)

    async def _exchange(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        if scope["method"] != "POST":
            raise SignInRefused("invalid_request", "POST is expected.", 405)
        headers = headers_of(scope)
        if header(headers, b"content-type").partition(";")[0].strip().lower() != FORM_TYPE:
            raise SignInRefused("invalid_request", f"Send {FORM_TYPE}.", 415)
        try:
            form = await read_body(headers, receive, FORM_BYTES_MAX)
        except BodyTooLarge:
            raise SignInRefused(
                "invalid_request", f"At most {FORM_BYTES_MAX} bytes.", 413
            ) from None
        except BodyTooSlow as slow:
            raise SignInRefused("invalid_request", str(slow), 408) from None
        return self._identity.exchange(form)
