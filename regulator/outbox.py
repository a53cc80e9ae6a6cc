"""What leaves the observer: findings to be announced, and the messages they leave in.

A finding is taken in once, whatever source tells it how often, and leaves once on each channel: a
message is formed of findings that are in no message of that channel yet, and keeps them for all its
attempts, so a repeated attempt is the same message under the same id. It leaves the outbox when a
receiver has accepted it; a crash just then repeats it, which receivers tell by the id.

Messages of a channel leave in order. One that a receiver refuses again and again (it answers, but
not to this) is set aside: the others overtake it, it is still tried.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from regulator.database import DatabaseUnusable, open_beside
from regulator.office import OFFICE_NAME, Office

RETRY_S: Final = (1, 5, 30, 120, 600, 1_800)
"""How long to wait after the first, second … failure; from then on every half hour, for ever."""

REFUSED_MAX: Final = 6
"""So often refused, a message is set aside: ten minutes and more of a receiver that answers no."""

ASIDE_S: Final = 21_600
"""How often what was set aside is tried again: a receiver that was repaired gets it in hours."""

FORMED_MAX: Final = 500
"""Messages formed in one transaction."""


_WAITING: Final = (
    "SELECT id, made_at, attempts, next_at FROM message WHERE channel = ? AND sent_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class Place:
    """How far a source was read: its last row's number, and the finding there."""

    seq: int
    finding: str


START: Final = Place(0, "")


@dataclass(frozen=True, slots=True)
class Notice:
    """A finding to be announced: its id, who found it (integrity, audit), what it says as JSON."""

    finding: str
    source: str
    json: str

    @property
    def said(self) -> dict[str, Any]:
        """What it says."""
        said = json.loads(self.json)
        assert isinstance(said, dict)
        return said


@dataclass(frozen=True, slots=True)
class Message:
    """What leaves at once on a channel; `id` is the same for every attempt."""

    id: int
    made_at_ms: int
    attempts: int
    notices: tuple[Notice, ...]


class Outbox:
    """The outbox in the office's database, for any thread."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def place(self, source: str) -> Place:
        """How far a source was read."""
        with self._office.writing() as connection:
            row = connection.execute(
                "SELECT seq, finding FROM place WHERE source = ?", (source,)
            ).fetchone()
        return START if row is None else Place(*row)

    def take_in(self, source: str, notices: Sequence[Notice], place: Place, now_ms: int) -> int:
        """Keep findings and how far their source was read, in one step; how many are new."""
        with self._office.writing() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT INTO notice (finding, source, json, came_at) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (finding) DO NOTHING",
                [(one.finding, one.source, one.json, now_ms) for one in notices],
            )
            new = connection.total_changes - before
            _move(connection, source, place)
        return new

    def form(self, channel: str, most: int, settled_before_ms: int, now_ms: int) -> int:
        """Put findings that are in no message of a channel into messages of up to `most`.

        Only when none waits, and the oldest of them came before `settled_before_ms`: so what comes
        in a flood, or while a receiver is down, is one message where `most` is large. Gives how
        many messages were formed.
        """
        place = self.place(f"to {channel}")
        with self._office.writing() as connection:
            if connection.execute(f"{_WAITING} AND aside = 0 LIMIT 1", (channel,)).fetchone():
                return 0
            rows = connection.execute(
                "SELECT id, came_at FROM notice WHERE id > ? ORDER BY id LIMIT ?",
                (place.seq, FORMED_MAX if most == 1 else most),
            ).fetchall()
            if not rows or rows[0][1] > settled_before_ms:
                return 0
            ids = [row[0] for row in rows]
            formed = [ids[at : at + most] for at in range(0, len(ids), most)]
            for members in formed:
                message = connection.execute(
                    "INSERT INTO message (channel, made_at, attempts, next_at, aside, problem) "
                    "VALUES (?, ?, 0, 0, 0, '')",
                    (channel, now_ms),
                ).lastrowid
                connection.executemany(
                    "INSERT INTO delivery (channel, notice, message) VALUES (?, ?, ?)",
                    [(channel, notice, message) for notice in members],
                )
            _move(connection, f"to {channel}", Place(ids[-1], ""))
        return len(formed)

    def next(self, channel: str, now_ms: int) -> Message | None:
        """What to send now: the first that waits, unless it waits for its next attempt.

        Meanwhile, and when nothing else waits, one that was set aside and is due.
        """
        with self._office.writing() as connection:
            row = connection.execute(
                f"{_WAITING} AND aside = 0 ORDER BY id LIMIT 1", (channel,)
            ).fetchone()
            if row is None or row[3] > now_ms:
                row = connection.execute(
                    f"{_WAITING} AND aside = 1 AND next_at <= ? ORDER BY id LIMIT 1",
                    (channel, now_ms),
                ).fetchone()
            if row is None:
                return None
            notices = connection.execute(
                "SELECT n.finding, n.source, n.json FROM delivery d "
                "JOIN notice n ON n.id = d.notice WHERE d.message = ? ORDER BY d.notice",
                (row[0],),
            ).fetchall()
        return Message(row[0], row[1], row[2], tuple(Notice(*notice) for notice in notices))

    def sent(self, message: Message, now_ms: int) -> None:
        """A receiver accepted it."""
        with self._office.writing() as connection:
            done = connection.execute(
                "UPDATE message SET sent_at = ?, attempts = attempts + 1, problem = '' "
                "WHERE id = ? AND sent_at IS NULL",
                (now_ms, message.id),
            ).rowcount
        assert done == 1, "a message is sent once"

    def failed(self, message: Message, problem: str, *, refused: bool, now_ms: int) -> int:
        """It was not accepted; in how many seconds it is tried again."""
        aside = refused and message.attempts + 1 >= REFUSED_MAX
        wait_s = ASIDE_S if aside else RETRY_S[min(message.attempts, len(RETRY_S) - 1)]
        with self._office.writing() as connection:
            connection.execute(
                "UPDATE message SET attempts = attempts + 1, next_at = ?, problem = ?, "
                "aside = max(aside, ?) WHERE id = ? AND sent_at IS NULL",
                (now_ms + wait_s * 1000, problem, int(aside), message.id),
            )
        return wait_s


def read_outbox(folder: Path) -> dict[str, dict[str, Any]]:
    """By channel: messages sent, waiting and set aside, and what the first of them waits for.

    Beside a running observer; raises `DatabaseUnusable`.
    """
    path = folder / OFFICE_NAME
    if not path.exists():
        return {}
    try:
        with closing(open_beside(path)) as connection:
            rows = connection.execute(
                "SELECT channel, count(sent_at), count(*) - count(sent_at), "
                "sum(aside AND sent_at IS NULL), "
                "max(CASE WHEN sent_at IS NULL THEN problem ELSE '' END) "
                "FROM message GROUP BY channel ORDER BY channel"
            ).fetchall()
    except sqlite3.Error as error:
        raise DatabaseUnusable(f"{path}: {error}") from None
    return {
        channel: {"sent": sent, "waiting": waiting, "aside": aside, "problem": problem}
        for channel, sent, waiting, aside, problem in rows
    }


def _move(connection: sqlite3.Connection, source: str, place: Place) -> None:
    connection.execute(
        "INSERT INTO place (source, seq, finding) VALUES (?, ?, ?) ON CONFLICT (source) "
        "DO UPDATE SET seq = excluded.seq, finding = excluded.finding",
        (source, place.seq, place.finding),
    )
