"""A feed over HTTP on 127.0.0.1, as a hub serves it; signs in whoever asks with an assertion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from creditchain.tlog.tile import BadPath, parse_bundle_path, parse_tile_path
from regulator.feed import Feed, FeedFault
from tests.unit.regulator.raw_hub import free_port

TOKEN = "token-of-the-test"


def hub_app(feed: Feed, delay_s: float = 0.0) -> Starlette:
    """The routes an observer reads, `delay_s` before each bundle of bodies."""

    async def token(request: Request) -> Response:
        form = dict(pair.split("=", 1) for pair in (await request.body()).decode().split("&"))
        if form.get("grant_type") != "client_credentials" or "client_assertion" not in form:
            return PlainTextResponse("", 400)
        return JSONResponse({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 600})

    async def log(request: Request) -> Response:
        path = request.path_params["path"]
        try:
            if path == "checkpoint":
                return PlainTextResponse(await feed.checkpoint())
            if path.startswith("bodies/"):
                if request.headers.get("authorization") != f"Bearer {TOKEN}":
                    return PlainTextResponse("", 401)
                await asyncio.sleep(delay_s)
                data = await feed.bodies(parse_bundle_path(path, "bodies"))
            elif path.startswith("tile/entries/"):
                data = await feed.entries(parse_bundle_path(path))
            else:
                data = await feed.tile(parse_tile_path(path))
        except (BadPath, FeedFault):
            return PlainTextResponse("", 404)
        return Response(data, media_type="application/octet-stream")

    return Starlette(
        routes=[Route("/token", token, methods=["POST"]), Route("/log/{path:path}", log)]
    )


@asynccontextmanager
async def hub_at(feed: Feed, delay_s: float = 0.0) -> AsyncIterator[str]:
    """The URL of a hub that serves this feed."""
    port = free_port()
    config = uvicorn.Config(
        hub_app(feed, delay_s), host="127.0.0.1", port=port, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn offers nothing to wait for
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving
