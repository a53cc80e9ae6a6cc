"""How wide the columns of a printed table are, and where a long word breaks. PURE.

No word may run into its neighbour's cell, whoever wrote it. Every column gets the room of its
longest word; what is left goes to those whose texts are long. If that is more than the page, the
type gets smaller, then long words break (never a number), the longest first, and at last the table
is printed as several, one under the other, each beginning with the first column.

Widths are in hundredths of the type size (em), from what the glyphs of our faces measure at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from regulator.report.model import Kind

SIZES: Final = (80, 75, 70, 65)
"""Sizes of type to try, in tenths of a point; less than 6.5 points is not read."""

PAGE_WIDTHS: Final = {False: 17_400, True: 26_100}
"""What a page has between its margins, in hundredths of mm: A4 upright, and on its side."""

INSET: Final = 80
"""On either side of a cell, tenths of a point, both together."""

PIECE_CHARS: Final = 12
"""A broken word is in pieces of at most so many characters, at a hyphen if there is one."""

PROSE: Final = 800
"""What a column of texts has at least, if they are that long."""

BREAK: Final = "\u200b"

_MONO: Final = frozenset({Kind.CODE, Kind.DIGEST})
_MONO_WIDTH: Final = 47  # half an em, at 0.92 of the size, rounded up
_POINTS: Final = 72 * 10  # tenths of a point in an inch of 2,540 hundredths of mm

_WIDE: Final = frozenset("MWmw@%&—…")
_NARROW: Final = frozenset(" .,:;'|!ijlI()[]{}/\\-")
_WORDS: Final = re.compile(r"[^\s\u200b]+")
_LONG: Final = re.compile(rf"[!-~]{{{PIECE_CHARS + 1},}}")
_PIECE: Final = re.compile(rf"[!-,./-~]{{0,{PIECE_CHARS - 1}}}-|[!-,./-~]{{1,{PIECE_CHARS}}}")


@dataclass(frozen=True, slots=True)
class Panel:
    """Some columns of a table side by side: which, how wide (to be divided in proportion)."""

    columns: tuple[int, ...]
    widths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a table is printed: type size in tenths of a point, broken columns, and its panels."""

    size: int
    broken: frozenset[int]
    panels: tuple[Panel, ...]


def plan(
    labels: Sequence[str],
    kinds: Sequence[Kind],
    rows: Sequence[Sequence[str | None]],
    *,
    wide: bool,
) -> Plan:
    """How to print these texts under these labels."""
    count = len(labels)
    natural = [0] * count
    whole = [0] * count
    broken = [0] * count
    for index, (label, kind) in enumerate(zip(labels, kinds, strict=True)):
        # Labels are in bold, which is a little wider.
        head = max((width_of(word, Kind.TEXT) for word in _words(label)), default=0) * 107 // 100
        whole[index] = broken[index] = head
        longest = 0
        for text in {row[index] or "NULL" for row in rows}:
            longest = max(longest, *(width_of(line, kind) for line in text.split("\n")))
            for word in _words(text):
                whole[index] = max(whole[index], width_of(word, kind))
                pieces = (word,) if kind.is_number else _words(break_words(word))
                broken[index] = max(broken[index], *(width_of(one, kind) for one in pieces))
        natural[index] = max(longest, width_of(label, Kind.TEXT) * 107 // 100)
        if kind is Kind.TEXT:
            # Prose in a column of one word each is read by nobody; rather break an id.
            prose = min(longest, PROSE)
            whole[index], broken[index] = max(whole[index], prose), max(broken[index], prose)
    for size in SIZES:
        if sum(whole) <= _room(size, count, wide):
            return Plan(size, frozenset(), (_panel(range(count), whole, natural, size, wide),))
    size = SIZES[-1]
    least, broke = list(whole), set[int]()
    breaking = [index for index in range(count) if not kinds[index].is_number]
    for index in sorted(breaking, key=lambda i: whole[i] - broken[i], reverse=True):
        least[index] = broken[index]
        broke.add(index)
        if sum(least) <= _room(size, count, wide):
            return Plan(size, frozenset(broke), (_panel(range(count), least, natural, size, wide),))
    panels = tuple(
        _panel(members, broken, natural, size, wide) for members in _divide(broken, size, wide)
    )
    return Plan(size, frozenset(breaking), panels)


def break_words(text: str, chars: int = PIECE_CHARS) -> str:
    """The text with places to break in every word of more than `chars` characters."""
    if chars == PIECE_CHARS:
        return _LONG.sub(lambda found: BREAK.join(_PIECE.findall(found[0])), text)
    long = re.compile(rf"[!-~]{{{chars}}}(?=[!-~])")
    return long.sub(lambda found: found[0] + BREAK, text)


def width_of(text: str, kind: Kind) -> int:
    """How wide a text is at most, in hundredths of its size."""
    if kind in _MONO:
        return sum(_MONO_WIDTH if c < "\u1100" else 100 for c in text)
    return sum(
        100
        if c >= "\u1100"
        else 0
        if c == BREAK
        else 92
        if c in _WIDE
        else 36
        if c in _NARROW
        else 68
        if c.isupper()
        else 58
        for c in text
    )


def _words(text: str) -> Iterator[str]:
    """What does not break: between spaces, and of Chinese each character."""
    for word in _WORDS.findall(text):
        if word.isascii():
            yield word
        else:
            yield from re.findall(r"[\u2e80-\U0010ffff]|[^\u2e80-\U0010ffff]+", word)


def _room(size: int, columns: int, wide: bool) -> int:
    """What the columns of a page can share, in hundredths of the type size."""
    points = PAGE_WIDTHS[wide] * _POINTS // 2_540 - columns * INSET
    return max(0, points) * 100 // size


def _panel(
    members: Sequence[int] | range,
    least: Sequence[int],
    natural: Sequence[int],
    size: int,
    wide: bool,
) -> Panel:
    """Give each column what it needs, and what is left to those that would like more."""
    room = _room(size, len(members), wide)
    free = room - sum(least[i] for i in members)
    wishes = [max(0, natural[i] - least[i]) for i in members]
    wished = sum(wishes)
    inset = INSET * 100 // size
    widths = []
    for index, wish in zip(members, wishes, strict=True):
        more = free // len(members) if not wished else free * wish // wished
        if wished and free > wished:
            # There is room for every wish; the rest is shared out evenly.
            more = wish + (free - wished) // len(members)
        widths.append(least[index] + more + inset)
    return Panel(tuple(members), tuple(widths))


def _divide(least: Sequence[int], size: int, wide: bool) -> Iterator[list[int]]:
    """Columns by panels, as many in each as fit; the first column is in every one."""
    members = [0]
    for index in range(1, len(least)):
        wanted = [*members, index]
        if len(members) > 1 and sum(least[i] for i in wanted) > _room(size, len(wanted), wide):
            yield members
            wanted = [0, index]
        members = wanted
    yield members
