"""What the hub is asked for and shows: one thing, or a list of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import typer

from creditchain.cli.showing import REFUSED, UNFIT, fail, print_json, readable
from creditchain.cli.speaking import with_client
from creditchain.cli.words import uscc_of

if TYPE_CHECKING:
    from creditchain.client.client import Client

_ENTERPRISE_ID: Final = re.compile(r"en_[A-Za-z0-9_-]{21}[AQgw]")

ROW_CHARS_MAX: Final = 1_000
"""Wider than any row of a list: the terminal wraps what it must, nothing is cut."""


def show_one(profile: str | None, as_json: bool, operation: str, id: str) -> None:
    async def work(client: Client) -> Mapping[str, Any]:
        return await find(client, operation, id)

    found = with_client(profile, work)
    if as_json:
        print_json(dict(found))
        return
    for name, value in found.items():
        if value is not None:
            typer.echo(f"{name}: {readable(value)}")


def show_list(
    profile: str | None, as_json: bool, operation: str, columns: Sequence[str], **only: Any
) -> None:
    async def work(client: Client) -> list[Mapping[str, Any]]:
        return [node async for node in client.every(operation, **only)]

    found = with_client(profile, work)
    if as_json:
        print_json([dict(node) for node in found])
        return
    from rich.console import Console
    from rich.table import Table

    # One line a row, however narrow the window: ids are there to be copied.
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for node in found:
        table.add_row(*(readable(node.get(column)) for column in columns))
    Console(width=ROW_CHARS_MAX).print(table)


async def find(client: Client, operation: str, id: str) -> Mapping[str, Any]:
    """What an operation finds under an id; ends the command when there is nothing."""
    found: Mapping[str, Any] | None = await client.ask(operation, id=id)
    if found is None:
        fail(REFUSED, f"there is no {operation.lower()} {id}, or it is not yours to see")
    return found


async def enterprise_id(client: Client, text: str) -> str:
    """The id of an enterprise that is named by its id or by its code."""
    if text.startswith("en_"):
        if _ENTERPRISE_ID.fullmatch(text) is None:
            fail(UNFIT, f"{text!r} is no enterprise's id: en_ and 22 characters")
        return text
    found = await client.ask("FindEnterprise", uscc=uscc_of(text))
    if found is None:
        fail(REFUSED, f"no enterprise with the code {text} is enrolled")
    return str(found["id"])
