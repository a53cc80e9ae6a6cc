"""What a person writes on the command line: the options many commands take, codes, times, files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from creditchain.cli.showing import UNFIT, fail

if TYPE_CHECKING:
    from enum import StrEnum

    from creditchain.events import PublicKey

E = TypeVar("E", bound="StrEnum")

DAY_MS: Final = 86_400_000

ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile", "-p", help="Profile: a name or a file.", envvar="CREDITCHAIN_PROFILE"
    ),
]

Observed = Annotated[bool, typer.Option("--observed", help="Wait until the regulator cosigned.")]


def event_id_of(text: str) -> str:
    """An event's id as the hub gives it; ends the command if it is of another form."""
    if _EVENT_ID.fullmatch(text.strip()) is None:
        fail(UNFIT, f"{text!r} is no id of an order, a consent or another event: {_EVENT_ID_FORM}")
    return text.strip()


def event_id_given(text: str | None) -> str | None:
    """As `event_id_of`, for what may be left out."""
    return None if text is None else event_id_of(text)


_EVENT_ID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)
_EVENT_ID_FORM: Final = "it looks like 0190a2b4-0000-7000-8000-000000000000, in lower case"

OrderId = Annotated[str, typer.Argument(help="The order's id.", callback=event_id_of)]
ConsentId = Annotated[str, typer.Argument(help="The consent's id.", callback=event_id_of)]
EventId = Annotated[str, typer.Argument(help="The event's id.", callback=event_id_of)]
Sections = Annotated[
    list[str] | None, typer.Option("--section", "-s", help="A section; repeat for more.")
]
KeyFile = Annotated[Path, typer.Option("--key", help="A key file, private or public JWK.")]


def code_of(codes: type[E], text: str) -> E:
    try:
        return codes(text.strip().upper().replace("-", "_"))
    except ValueError:
        fail(UNFIT, f"{text!r} is not one of {', '.join(code.value for code in codes)}")


def sections_of(texts: Sequence[str] | None) -> tuple[Any, ...]:
    from creditchain.events.codes import Section

    names = [name for text in texts or [] for name in text.split(",")]
    if not names:
        fail(UNFIT, "name at least one --section")
    return tuple(sorted({code_of(Section, name) for name in names}))


def uscc_of(text: str) -> str:
    """A code in its one spelling; full-width and lower case are how people paste it."""
    import unicodedata

    from stdnum.cn import uscc
    from stdnum.exceptions import ValidationError

    meant = unicodedata.normalize("NFKC", text).upper().replace("-", "").replace(" ", "")
    try:
        return str(uscc.validate(meant))
    except ValidationError as error:
        fail(UNFIT, f"{text}: no Unified Social Credit Code: {error}")


def time_of(text: str) -> int:
    """Milliseconds for a time that a person writes; a day begins at midnight UTC."""
    from datetime import UTC, datetime

    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        fail(UNFIT, f"{text}: write a time as 2026-11-22 or 2026-11-22T08:00:00Z")
    return int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1000)


def public_key_in(path: Path) -> PublicKey:
    """The public half of a key file, or a public JWK as others hand it over."""
    from creditchain.client.keys import BadKeyFile, load_key
    from creditchain.events import MalformedEvent, PublicKey

    try:
        value = json.loads(read_file(path))
        if isinstance(value, dict) and "d" not in value:
            return PublicKey.from_json({k: v for k, v in value.items() if k != "kid"})
        return load_key(path).public
    except (BadKeyFile, MalformedEvent) as error:
        fail(UNFIT, str(error) if str(path) in str(error) else f"{path}: {error}")
    except ValueError:
        fail(UNFIT, f"{path}: no key, not even JSON")


def read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        fail(UNFIT, f"{path}: {error.strerror}")
