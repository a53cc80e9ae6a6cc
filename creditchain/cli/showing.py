"""How a command answers: on a terminal, as JSON, or with a failure and its exit code.

With --json one JSON value goes to standard output and nothing else there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any, Final, NoReturn

import typer

REFUSED: Final = 1
UNFIT: Final = 2
NO_ANSWER: Final = 3

WHOLE_CURRENCIES: Final = frozenset({"JPY", "KRW", "VND"})
"""Currencies without minor units; all others here have two decimals."""

# Whether the command under way prints JSON: its failures then do so too.
_JSON: ContextVar[bool] = ContextVar("as_json", default=False)


def _note_json(value: bool) -> bool:
    _JSON.set(value)
    return value


AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON.", callback=_note_json, is_eager=True)
]


def tell(as_json: bool, value: Mapping[str, Any], *lines: str) -> None:
    if as_json:
        print_json(dict(value))
        return
    for line in lines:
        typer.echo(line)


def print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def fail(code: int, message: str, facts: Mapping[str, Any] | None = None) -> NoReturn:
    """Ends the command: a sentence on standard error, and with --json an object beside it."""
    if _JSON.get():
        print_json({"error": message, **(facts or {})})
    typer.echo(f"creditchain: {message}", err=True)
    raise typer.Exit(code)


def tell_line(as_json: bool, value: Mapping[str, Any]) -> None:
    """One line of something that goes on; flushed, because somebody waits for it."""
    if as_json:
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = " ".join(map(readable, value.values()))
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def readable(value: Any) -> str:
    """A value as a person reads it."""
    match value:
        case None:
            return ""
        case {"amount": int(amount), "currency": str(currency)}:
            if currency in WHOLE_CURRENCIES:
                return f"{amount:,} {currency}"
            sign, (whole, minor) = "-" * (amount < 0), divmod(abs(amount), 100)
            return f"{sign}{whole:,}.{minor:02d} {currency}"
        case {"id": id, **rest} if set(rest) <= {"name", "schema", "status", "uscc"}:
            return f"{id} {rest['name']}" if rest.get("name") else str(id)
        case dict():
            return ", ".join(f"{name} {readable(item)}" for name, item in value.items())
        case list() | tuple():
            return ", ".join(readable(item) for item in value)
        case _:
            return str(value)


@contextmanager
def progress(as_json: bool, what: str, total: int | None) -> Iterator[Callable[..., None]]:
    """A bar on a terminal, nothing elsewhere; gives a function to call with how far it is."""
    if as_json or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def advance(done: int, known: int | None = None) -> None:
            bar.update(task, completed=done, total=known or total)

        yield advance
