"""Asking questions of the copy: SQL over ready views, once or again and again."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import typer

from regulator.cli.running import DATABASE, HERE, UNFIT, Folder, fail, load

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from regulator.analytics.session import Session

FORMATS: Final = ("table", "csv", "json")

ROWS_AT_A_TIME: Final = 1_000
"""Rows in memory at once."""

TABLE_ROWS_MAX: Final = 1_000
"""Rows of a table on a terminal; who wants more asks for CSV or JSON."""

MEMORY_MIB_MAX: Final = 65_536

PROMPT: Final = "regulator> "
HELP: Final = "end a query with ;   .views lists the views   .view NAME explains one   .quit ends"


def sql(
    query: Annotated[
        str | None, typer.Argument(help="The query; without one, they are read one by one.")
    ] = None,
    list_views: Annotated[
        bool, typer.Option("--views", help="List the views and their columns, and end.")
    ] = False,
    form: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    size: Annotated[
        int | None, typer.Option(min=0, help="Only the first entries of the log; all by default.")
    ] = None,
    hand_to: Annotated[
        Path | None, typer.Option("--export", help="Write entries and views to a new folder.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="The time zone of days and months; else the reports'.")
    ] = None,
    memory_mib: Annotated[
        int, typer.Option("--memory", min=128, max=MEMORY_MIB_MAX, help="Memory to use, MiB.")
    ] = 1_024,
    data: Folder = HERE,
) -> None:
    """Ask questions in SQL of everything the observer holds, through ready views.

    Reads only, and nothing but the views; the observer may be running. Times are UTC.
    """
    if form not in FORMATS:
        fail(UNFIT, f"--format is one of {', '.join(FORMATS)}")
    if list_views:
        _list_views(form)
        return
    config = load(data)
    days = zone or config.report_zone
    if hand_to is not None:
        _translated(lambda: _hand_out(config.folder, hand_to, size, days))
        return
    _translated(lambda: _ask(config.folder, query, form, size, days, memory_mib))


def _ask(
    folder: Path, query: str | None, form: str, size: int | None, zone: str, memory_mib: int
) -> None:
    from regulator.analytics.session import open_session

    with open_session(folder, size=size, zone=zone, memory_mib=memory_mib) as session:
        if query is not None:
            _print(session.ask(query), form)
        elif sys.stdin.isatty():
            _converse(session, form)
        else:
            for statement in session.base.extract_statements(sys.stdin.read()):
                _print(session.ask(statement.query), form)


def _hand_out(folder: Path, target: Path, size: int | None, zone: str) -> None:
    from regulator.analytics.handing import hand_out

    entries = hand_out(folder, target, size=size, zone=zone)
    typer.echo(f"wrote {entries} entries and their views to {target}")


def _translated(work: Callable[[], None]) -> None:
    """Runs it; what goes wrong ends the program with its exit code."""
    import duckdb

    from regulator.analytics.export import AnalyticsUnusable
    from regulator.analytics.session import NotAQuery
    from regulator.database import DatabaseUnusable
    from regulator.stored import CopyDamaged

    try:
        work()
    except BrokenPipeError:
        raise typer.Exit(0) from None
    except (NotAQuery, duckdb.Error) as error:
        fail(UNFIT, _plain(error))
    except (AnalyticsUnusable, DatabaseUnusable, CopyDamaged) as error:
        fail(DATABASE, str(error))


def _plain(error: Exception) -> str:
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return "the query needs more memory than it may take; see --memory"
    return str(error).strip()


def _converse(session: Session, form: str) -> None:
    """Reads queries until there are no more; what fails is said, and the next one is read."""
    import contextlib

    import duckdb

    from regulator.analytics.session import NotAQuery

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  arrow keys and history
    typer.echo(f"{session.origin}, {session.size} entries. {HELP}")
    for asked in _typed():
        try:
            word, _, name = asked.partition(" ")
            if word == ".views":
                _list_views("table", name)
            elif word == ".view":
                _list_views("table", name.strip())
            elif word in {".quit", ".exit"}:
                return
            elif word.startswith("."):
                typer.echo(HELP)
            else:
                _print(session.ask(asked), form)
        except KeyboardInterrupt:
            typer.echo("interrupted")
        except (NotAQuery, duckdb.Error) as error:
            typer.echo(_plain(error), err=True)


def _typed() -> Iterator[str]:
    """What is typed, a query up to its semicolon or a word that begins with a dot."""
    lines: list[str] = []
    while True:
        try:
            line = input("      ...> " if lines else PROMPT)
        except EOFError:
            typer.echo()
            return
        except KeyboardInterrupt:
            typer.echo()
            lines = []
            continue
        if not lines and line.startswith("."):
            yield line.strip()
        elif line.strip() or lines:
            lines.append(line)
            if line.rstrip().endswith(";"):
                yield "\n".join(lines)
                lines = []


def _list_views(form: str, only: str = "") -> None:
    from regulator.analytics.views import views

    chosen = [view for view in views() if only in {"", view.name}]
    if only and not chosen:
        typer.echo(f"there is no view {only}; .views lists them")
    if form == "json":
        value = [
            {"name": view.name, "says": view.says, "columns": dict(view.columns)} for view in chosen
        ]
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(("view", "column", "meaning"))
        writer.writerows((view.name, *column) for view in chosen for column in view.columns)
        return
    for view in chosen:
        typer.echo(f"{view.name}: {view.says}")
        width = max(len(name) for name, _ in view.columns)
        for name, meaning in view.columns:
            typer.echo(f"  {name:<{width}}  {meaning}")


def _print(answer: DuckDBPyConnection, form: str) -> None:
    names = [column[0] for column in answer.description or ()]
    rows = _rows(answer)
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(value) for value in row] for row in rows)
    elif form == "json":
        # One object a line: it can be read as it comes, however long it is.
        for row in rows:
            pairs = zip(names, map(_plain_json, row), strict=True)
            sys.stdout.write(json.dumps(dict(pairs), ensure_ascii=False) + "\n")
    else:
        _print_table(names, rows)


def _print_table(names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for name in names:
        table.add_column(name, overflow="fold")
    more = False
    for count, row in enumerate(rows):
        if count == TABLE_ROWS_MAX:
            more = True
            break
        # Text, not markup: what the log says is never taken for colours.
        table.add_row(*(Text(_text(value)) for value in row))
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    shown = len(table.rows)
    console.print(
        f"the first {shown} rows; --format csv or json has all"
        if more
        else f"{shown} row{'' if shown == 1 else 's'}"
    )


def _rows(answer: DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while chunk := answer.fetchmany(ROWS_AT_A_TIME):
        yield from chunk


def _cell(value: object) -> str:
    # A member chose the text, and a spreadsheet would run it; JSON has it as it is.
    from regulator.report.sheet import disarmed

    return disarmed(value) if isinstance(value, str) else _text(value)


def _text(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list | tuple | dict):
        return json.dumps(_plain_json(value), ensure_ascii=False)
    plain = _plain_json(value)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _plain_json(value: object) -> Any:
    """A value as JSON has it; times in UTC as on the log."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return aware.strftime("%Y-%m-%dT%H:%M:%S.") + f"{aware.microsecond // 1000:03d}Z"
    if isinstance(value, list | tuple):
        return [_plain_json(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _plain_json(one) for name, one in value.items()}
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, date | UUID):
        return str(value)
    return str(value)
