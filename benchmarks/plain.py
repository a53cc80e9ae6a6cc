"""The plain JSON route that `place_order` is compared with: `python -m benchmarks.plain PORT`.

It reads the same request and answers a small JSON, on the same server with the same settings as the
hub. What it does is the least that any Starlette route on this machine does.
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def echo(request: Request) -> JSONResponse:
    """A small part of what came."""
    value = await request.json()
    return JSONResponse({"id": value["variables"]["seal"]["id"]})


async def healthz(_: Request) -> JSONResponse:
    """The process answers."""
    return JSONResponse({})


if __name__ == "__main__":
    uvicorn.run(
        Starlette(routes=[Route("/echo", echo, methods=["POST"]), Route("/healthz", healthz)]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=1_000,
        backlog=2_048,
    )
