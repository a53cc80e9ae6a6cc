"""The log's head, its changes as they happen, and any question one may put to the hub."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from creditchain.cli.showing import (
    NO_ANSWER,
    REFUSED,
    UNFIT,
    AsJson,
    fail,
    print_json,
    tell,
    tell_line,
)
from creditchain.cli.speaking import stop_on_signals, with_client
from creditchain.cli.words import ProfileName

if TYPE_CHECKING:
    from creditchain.client.client import Client

log_app = typer.Typer(name="log", help="The log.", no_args_is_help=True)


def watch(
    what: Annotated[str, typer.Argument(help="orders, consents or head.")] = "orders",
    after: Annotated[int | None, typer.Option(help="From the change after this index on.")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Watch changes as they happen, until it is interrupted."""
    if what not in {"orders", "consents", "head"}:
        fail(UNFIT, "watch orders, consents or head")

    async def follow(client: Client) -> None:
        from contextlib import aclosing

        if what == "head":
            async with aclosing(client.heads()) as heads:
                async for head in heads:
                    tell_line(as_json, {"size": head["size"], "root": head["root"]})
            return
        several = client.order_changes if what == "orders" else client.consent_changes
        async with aclosing(several(after)) as changes:
            async for change in changes:
                record = change.record
                named = {
                    "index": change.index,
                    "id": record["id"],
                    "status": record["status"],
                    "enterprise": record["enterprise"]["id"],
                }
                tell_line(as_json, {**named, "record": dict(record)} if as_json else named)

    async def work(client: Client) -> None:
        stop = asyncio.create_task(stop_on_signals().wait())
        following = asyncio.create_task(follow(client))
        await asyncio.wait({stop, following}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if following.done():
            following.result()
        following.cancel()

    with_client(profile, work)


def ask(
    document: Annotated[
        str, typer.Argument(help="A GraphQL document, or - to read it from standard input.")
    ],
    variables: Annotated[str, typer.Option(help="Its variables, as a JSON object.")] = "{}",
    profile: ProfileName = None,
) -> None:
    """Ask the hub any GraphQL query, signed in as the profile; prints the answer as JSON."""
    try:
        values = json.loads(variables)
    except ValueError as error:
        fail(UNFIT, f"--variables: {error}")
    if not isinstance(values, dict):
        fail(UNFIT, "--variables: not a JSON object")
    text = sys.stdin.read() if document == "-" else document

    async def work(client: Client) -> dict[str, Any]:
        return await client.query(text, values)

    answer = with_client(profile, work)
    print_json(answer)
    if answer.get("errors"):
        raise typer.Exit(NO_ANSWER)


@log_app.command("head")
def log_head(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show the head of the log, its signatures checked."""
    from creditchain.tlog.note import BadNote

    async def work(client: Client) -> tuple[Any, Any]:
        return await client.ask("Log"), client.trust

    head, trust = with_client(profile, work)
    try:
        opened = trust.unobserved.open_checkpoint(head["checkpoint"])
    except BadNote as error:
        fail(REFUSED, f"the checkpoint: {error}")
    from creditchain.events import b64u, format_time

    cosigned = [{"name": c.name, "at": format_time(c.time_s * 1000)} for c in opened.cosignatures]
    checkpoint = opened.checkpoint
    told = {"log": checkpoint.origin, "size": checkpoint.size, "root": b64u(checkpoint.root)}
    tell(
        as_json,
        {**told, "cosignatures": cosigned},
        f"{checkpoint.origin}: {checkpoint.size} entries, root {b64u(checkpoint.root)}",
        *(f"cosigned by {c['name']} at {c['at']}" for c in cosigned),
    )
