"""Plays a story to audit rules: every line goes on the log, whatever the rulebook says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
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


LIMITS = r"(?m)^limits (.+)$"


@cache
def default_pack() -> Pack:
    """The pack that ships."""
    data = files("regulator.packs").joinpath("cn-enterprise.toml").read_bytes()
    return parse_pack(data, AUDIT_RULES)


def story_lines(text: str) -> str:
    """The story without its directive."""
    return re.sub(LIMITS, "", text)


def story_pack(text: str, rules: Sequence[Rule[Any]]) -> Pack:
    """The pack that ships, with the limits that the story gives its one rule."""
    pack = default_pack()
    match = re.search(LIMITS, text)
    if match is None:
        return pack
    [rule] = rules
    given = dict(word.split("=") for word in match[1].split())
    changed = {
        name: int(value) if value.isdecimal() else tuple(value.split(","))
        for name, value in given.items()
    }
    limits = replace(pack.limits[rule.code], **changed)
    return replace(pack, limits={**pack.limits, rule.code: limits})


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
    pack = pack or story_pack(text, rules)
    audit = Audit(rules, pack, DictFacts(), HeapAgenda(), commitments.__getitem__)
    for entry, (line, sealed, at) in enumerate(compose(story_lines(text))):
        said = said_by(sealed, entry, at)
        commitments.append(said.commitment)
        yield line, said, audit.step(entry, at, said.commitment, said)
