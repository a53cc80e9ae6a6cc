"""Plays a story to audit rules: every line goes on the log, whatever the rulebook says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from creditchain.events import b64u
from creditchain.seal import Sealed
from fixtures.stories.story import Line, compose
from regulator.audit import (
    AUDIT_RULES,
    Audit,
    AuditFinding,
    DictFacts,
    HeapAgenda,
    Pack,
    Rule,
    Said,
    parse_pack,
)


@cache
def default_pack() -> Pack:
    """The pack that ships."""
    data = files("regulator.packs").joinpath("cn-enterprise.toml").read_bytes()
    return parse_pack(data, AUDIT_RULES)


def said_by(sealed: Sealed, entry: int, at: int) -> Said:
    """A sealed event as a rule sees it."""
    event = sealed.event
    return Said(
        entry,
        at,
        b64u(sealed.commitment),
        event.id,
        event.by,
        event.signed_at,
        sealed.kid,
        event.body,
    )


def play(
    text: str, rules: Sequence[Rule[Any]] = AUDIT_RULES, pack: Pack | None = None
) -> Iterator[tuple[Line, Said, list[AuditFinding]]]:
    """Each line of a story, its event, and what the rules find at its entry."""
    commitments: list[str] = []
    audit = Audit(rules, pack or default_pack(), DictFacts(), HeapAgenda(), commitments.__getitem__)
    for entry, (line, sealed, at) in enumerate(compose(text)):
        said = said_by(sealed, entry, at)
        commitments.append(said.commitment)
        yield line, said, audit.step(entry, at, said.commitment, said)
