"""Prints the tables of docs/ that follow from the code: `python tools/doc_tables.py [--check]`.

`docs/events.md` from the event classes and the rulebook's table of voices, `docs/refusals.md` from
the refusal codes and their sentences, `docs/audit-rules.md` from the audit rules and the rule pack
that ships. With --check nothing is written; status 1 if one is stale.
"""

import sys
import textwrap
from dataclasses import fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from creditchain.events import EVENTS, PublicKey  # noqa: E402
from creditchain.events.codes import MemberKind  # noqa: E402
from creditchain.events.field import fields_of  # noqa: E402
from creditchain.rulebook import READERS, RULEBOOKS, SENTENCES, Refusal  # noqa: E402
from creditchain.rulebook.rule import Rule, Voice  # noqa: E402
from regulator.audit import AUDIT_RULES, Pack, Regime, parse_pack  # noqa: E402
from regulator.audit import Rule as AuditRule  # noqa: E402

GENERATED = "<!-- Printed by tools/doc_tables.py; do not edit. -->"
CHAPTERS = {
    "consortium": "The consortium and its law",
    "membership": "Members and their keys",
    "officer": "Officers",
    "enterprise": "Enterprises and their keys",
    "product": "Products",
    "consent": "Consent",
    "order": "Orders and deliveries",
    "records": "Records",
    "objection": "Objections",
    "erasure": "Erasure",
    "finding": "Findings",
    "inspection": "Inspections",
}
THEMES = {
    "C": "Consent",
    "U": "Use",
    "M": "Members",
    "D": "Delivery",
    "P": "Privacy",
    "L": "The log and its supervision",
}
PACK = "regulator/packs/cn-enterprise.toml"
OWN_KEY = "own key"
KEYS = {PublicKey.__name__}


def format_kind(annotation: Any) -> str:
    """A field's kind as docs/formats.md calls it; a list as `[Kind]`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return str(get_args(annotation)[1].name)
    if origin is tuple:
        return f"[{format_kind(get_args(annotation)[0])}]"
    if origin in {Union, UnionType}:
        (inner,) = (arg for arg in get_args(annotation) if arg is not type(None))
        return format_kind(inner)
    return str(annotation.__name__)


def nested_in(annotation: Any) -> list[type[Any]]:
    """The classes of ours that a kind mentions: values and code lists."""
    if get_origin(annotation) is Annotated:
        return []
    if args := get_args(annotation):
        return [cls for arg in args for cls in nested_in(arg)]
    ours = isinstance(annotation, type) and (
        issubclass(annotation, StrEnum) or is_dataclass(annotation)
    )
    return [annotation] if ours else []


def format_fields(cls: type[Any]) -> str:
    """The fields of a class on one line, in canonical order; `?` marks those that may be absent."""
    return ", ".join(
        f"`{f.json_name}{'?' if f.optional else ''}`\N{NO-BREAK SPACE}{format_kind(f.annotation)}"
        for f in fields_of(cls)
    )


def format_speakers(rule: Rule | None) -> str:
    """Who may say it, under the newest rulebook."""
    if rule is None:
        return "the regulator it names"
    speakers = ["the enterprise"] if Voice.ENTERPRISE in rule.voices else []
    members = [OWN_KEY if v is Voice.MEMBER_KEY else str(v) for v in sorted(rule.voices)]
    members = [voice for voice in members if voice != Voice.ENTERPRISE]
    if members:
        kinds = sorted(str(kind) for kind in rule.kinds)
        of = "any member" if len(kinds) == len(MemberKind) else ", ".join(kinds)
        speakers.append(f"{of} ({', '.join(members)})")
    return "; ".join(speakers)


def one_line(text: str | None) -> str:
    """The first paragraph of a docstring."""
    return " ".join((text or "").partition("\n\n")[0].split())


def print_events() -> str:
    """docs/events.md."""
    rules = RULEBOOKS[max(RULEBOOKS)]
    lines = [
        "# Event types",
        "",
        GENERATED,
        "",
        "What can be said on the chain. Fields stand in canonical order; `?` marks those that may",
        "be absent. Kinds are those of [formats.md](formats.md) section 3, or values and code",
        f"lists below. *By* is who may say it under rulebook {max(RULEBOOKS)}: a kind of member,",
        "with its own key or through an officer in one of the roles; whose business it is, the",
        "rules say. *Read by* is who besides the regulator may read the body.",
    ]
    nested: dict[str, type[Any]] = {}
    by_chapter: dict[str, list[str]] = {chapter: [] for chapter in CHAPTERS}
    for name, cls in EVENTS.items():
        by_chapter[cls.__module__.rpartition(".")[2]].append(name)
    for chapter, names in by_chapter.items():
        lines += ["", f"## {CHAPTERS[chapter]}", ""]
        lines += ["| type | fields | by | read by |", "| --- | --- | --- | --- |"]
        for name in names:
            cls = EVENTS[name]
            read_by = "every member" if READERS[cls] is None else "its parties"
            if chapter == "inspection":
                read_by = "the member inspected, once the case is closed"
            speakers = format_speakers(rules.get(cls))
            lines.append(f"| `{name}` | {format_fields(cls)} | {speakers} | {read_by} |")
        lines.append("")
        for name in names:
            lines += wrap_item(f"`{name}`: {one_line(EVENTS[name].__doc__)}")
    pending: list[type[Any]] = list(EVENTS.values())
    while pending:
        mentioned = [
            cls for field in fields_of(pending.pop()) for cls in nested_in(field.annotation)
        ]
        new = {cls.__name__: cls for cls in mentioned if cls.__name__ not in nested}
        nested |= new
        pending += [cls for name, cls in new.items() if is_dataclass(cls) and name not in KEYS]
    lines += ["", "## Values", "", "| value | fields |", "| --- | --- |"]
    for name, value in sorted(nested.items()):
        if name in KEYS:
            lines.append(f"| `{name}` | a JWK, [formats.md](formats.md) section 4 |")
        elif is_dataclass(value):
            lines.append(f"| `{name}` | {format_fields(value)} |")
    lines += ["", "## Code lists", "", "| list | codes |", "| --- | --- |"]
    for name, codes in sorted(nested.items()):
        if issubclass(codes, StrEnum):
            lines.append(f"| `{name}` | {', '.join(f'`{code}`' for code in codes)} |")
    return "\n".join(lines) + "\n"


def print_refusals() -> str:
    """docs/refusals.md."""
    lines = [
        "# Refusal codes",
        "",
        GENERATED,
        "",
        "Why an event is not admitted, in order of precedence: of several faults the first in this",
        "list is the one a member is told. A code is never renamed and never reused. A refusal is",
        "signed ([formats.md](formats.md) section 12) and can be shown to the regulator.",
        "",
        "| # | code | English | 中文 |",
        "| --- | --- | --- | --- |",
    ]
    for number, code in enumerate(Refusal, 1):
        sentence = SENTENCES[code]
        lines.append(f"| {number} | `{code}` | {sentence.en} | {sentence.zh} |")
    return "\n".join(lines) + "\n"


def format_limits(rule: AuditRule[Any], pack: Pack) -> str:
    """The limits of an audit rule as the pack sets them."""
    said = []
    for limit in fields(rule.limits):
        value = getattr(pack.limits[rule.code], limit.name)
        if isinstance(value, tuple):
            shown = ", ".join(f"`{one}`" for one in value)
        else:
            shown = f"{value:,} {limit.metadata['unit']}"
        said.append(f"`{limit.name}` {shown}")
    return "; ".join(said) or "none"


def wrap_item(text: str) -> list[str]:
    """An item of a list, broken into lines."""
    return textwrap.wrap(
        f"- {text}", 100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def print_audit_rules() -> str:
    """docs/audit-rules.md."""
    pack = parse_pack((ROOT / PACK).read_bytes(), AUDIT_RULES)
    lines = [
        "# Audit rules",
        "",
        GENERATED,
        "",
        f"The {len(AUDIT_RULES)} rules of the [audit](audit.md), with the limits of the rule pack",
        f"`{pack.label}` sets them. A rule of the regime *person* protects individuals:",
        "sole traders, and the officers of members. *Regulation* is State Council Order 631 of",
        "2013, *Measures* are the central bank's Order 4 of 2021.",
    ]
    for letter, theme in THEMES.items():
        rules = sorted((r for r in AUDIT_RULES if r.code.startswith(letter)), key=lambda r: r.code)
        lines += ["", f"## {theme}", ""]
        lines += ["| code | title | 中文 | severity | regime | limits |"]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
        for rule in rules:
            severity = pack.severities.get(rule.code, rule.severity)
            regime = "*person*" if rule.regime is Regime.PERSON else rule.regime.value
            said = (rule.title, rule.title_zh, severity.value, regime, format_limits(rule, pack))
            lines.append(f"| {rule.code} | {' | '.join(said)} |")
        lines.append("")
        for rule in rules:
            paragraphs = (rule.judge.__doc__ or "").strip().split("\n\n")
            said_of = " ".join(one_line(paragraph) for paragraph in paragraphs)
            code, _, words = said_of.partition(". ")
            lines += wrap_item(f"**{code}.** {words}")
    return "\n".join(lines) + "\n"


PAGES = {
    "docs/events.md": print_events,
    "docs/refusals.md": print_refusals,
    "docs/audit-rules.md": print_audit_rules,
}


def find_stale() -> dict[str, str]:
    """The pages that are not what the code says, with what they should be."""
    pages = {name: make() for name, make in PAGES.items()}
    return {
        name: text
        for name, text in pages.items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text(encoding="utf-8") != text
    }


def main(arguments: list[str]) -> int:
    """Writes the stale pages, or with --check only names them."""
    stale = find_stale()
    for name, text in stale.items():
        if "--check" in arguments:
            print(f"doc_tables: {name} is stale", file=sys.stderr)
        else:
            (ROOT / name).write_text(text, encoding="utf-8")
            print(f"doc_tables: wrote {name}", file=sys.stderr)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
