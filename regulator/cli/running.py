"""What every command of the regulator shares: exit codes, the folder, and how work is run.

Exit codes: 0 all is well; 1 something is wrong with the log or the copy (a finding, a problem); 2 a
setting, a file or the command is unfit; 3 the hub gave no usable answer; 4 our own database cannot
be used.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer

T = TypeVar("T")

WRONG: Final = 1
UNFIT: Final = 2
NO_ANSWER: Final = 3
DATABASE: Final = 4

Folder = Annotated[
    Path, typer.Option("--data", "-d", help="The observer's folder.", envvar="REGULATOR_DATA")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

HERE: Final = Path("observer")


def load(data: Path) -> Any:
    """The observer's settings; ends the program when they are unfit."""
    from regulator.config import BadConfig, load_config

    try:
        environ = {k: v for k, v in os.environ.items() if k != "REGULATOR_DATA"}
        return load_config(data / "observer.toml", environ)
    except BadConfig as error:
        fail(UNFIT, str(error))


def own_url(config: Any) -> str:
    """Where the observer with these settings answers, seen from this machine."""
    host = "127.0.0.1" if config.host in ("0.0.0.0", "") else config.host  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{config.port}"


def copy_in(folder: Path) -> Path:
    """The observer's copy in its folder; ends the program while there is none."""
    from regulator.database import DatabaseUnusable, find_copy

    try:
        return find_copy(folder)
    except DatabaseUnusable as error:
        fail(DATABASE, str(error))


def run_work(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it; each family of errors has its exit code."""
    from sqlalchemy.exc import DatabaseError

    from regulator.config import BadConfig
    from regulator.cosign import Behind
    from regulator.database import DatabaseUnusable
    from regulator.feed import FeedFault
    from regulator.register import BadRegister, RegisterNotWritten
    from regulator.stored import CopyDamaged
    from regulator.verify import NotInTree

    try:
        return asyncio.run(work())
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except (BadConfig, BadRegister) as error:
        fail(UNFIT, str(error))
    except FeedFault as error:
        fail(NO_ANSWER, str(error))
    except (NotInTree, Behind) as error:
        fail(WRONG, str(error))
    except (DatabaseUnusable, CopyDamaged, DatabaseError, RegisterNotWritten) as error:
        fail(DATABASE, str(error))


def fail(code: int, text: str) -> NoReturn:
    """End the program, saying why on standard error."""
    typer.echo(text, err=True)
    raise typer.Exit(code)


def print_json(value: object) -> None:
    """One JSON value on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
