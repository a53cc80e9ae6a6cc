"""Plays a story to audit rules: every line goes on the log, whatever the rulebook says of it.

`python -m tests.stories.audited` writes `fixtures/stories/audit/findings.jsonl`, which holds every
finding of every audit story, byte for byte: the same on any machine, and seen in review to change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, Final

from creditchain.events import b64u
from creditchain.seal import Sealed
from fixtures.stories.story import FOLDER, Line, compose, read_story
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

LIMITS: Final = r"(?m)^limits (.+)$"
UNSEEN: Final = r"(?m)^unseen (.+)$"
FINDINGS: Final = FOLDER / "audit" / "findings.jsonl"
STORIES: Final = sorted(path.stem for path in (FOLDER / "audit").glob("*.story"))


@cache
def default_pack() -> Pack:
    """The pack that ships."""
    data = files("regulator.packs").joinpath("cn-enterprise.toml").read_bytes()
    return parse_pack(data, AUDIT_RULES)


def story_lines(text: str) -> str:
    """The story without its directives."""
    return re.sub(UNSEEN, "", re.sub(LIMITS, "", text))


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


def print_findings() -> str:
    """What each story's rule finds in it, one finding a line."""
    rules = {rule.code: rule for rule in AUDIT_RULES}
    return "".join(
        f"{finding.evidence.decode()}\n"
        for name in STORIES
        for *_, findings in play(read_story(f"audit/{name}"), [rules[name.removesuffix("-not")]])
        for finding in findings
    )


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
    unseen = {int(word) for match in re.findall(UNSEEN, text) for word in match.split()}
    for entry, (line, sealed, at) in enumerate(compose(story_lines(text))):
        said = said_by(sealed, entry, at)
        commitments.append(said.commitment)
        if entry in unseen:
            audit.pass_over(entry, at)
            yield line, said, audit.step(entry, at, said.commitment, None)
        else:
            yield line, said, audit.step(entry, at, said.commitment, said)


if __name__ == "__main__":
    FINDINGS.write_text(print_findings(), encoding="utf-8")
