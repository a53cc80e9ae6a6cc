"""One query in progress: who asks, and all it may read. The context of the resolvers.

An inquiry lives in one thread with one connection, so everything it shows of the copy is one
committed state. References are gathered and read together; lists look through a bounded number of
rows and say where to go on. Findings and reports are read from files of their own beside it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from graphene.utils.dataloader import DataLoader
from sqlalchemy import Connection

from creditchain.events import parse_time
from creditchain.querying.cursor import Cursors
from creditchain.querying.page import Page, page_size
from creditchain.rulebook.record import Key, Officer, Order, Record
from creditchain.rulebook.record_json import record_from_json
from regulator.door import looking, proving
from regulator.door.entry import COLUMNS, LoggedEntry
from regulator.door.limits import IDS_AT_ONCE, KEYS_MAX, ROWS_LOOKED_AT
from regulator.door.sign_in import Caller
from regulator.door.standing import Standing
from regulator.door.statistics import Statistics
from regulator.findings import FindingRegister, Registered, State, Wanted
from regulator.office import Run, read_runs
from regulator.stored import Signed, count_before

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Rooms:
    """What inquiries read beside the copy, and what they share."""

    folder: Path
    cursors: Cursors
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class Copy:
    """How much of the log the copy holds in this inquiry's view of it."""

    size: int
    root: bytes


class Inquiry:
    """What the resolvers may read, for a caller that has signed in."""

    def __init__(
        self,
        rooms: Rooms,
        connection: Connection,
        caller: Caller,
        standing: Standing,
        request_id: str,
    ) -> None:
        self._rooms = rooms
        self._connection = connection
        self.caller = caller
        self.standing = standing
        self.request_id = request_id
        self._loaders: dict[object, Any] = {}
        self._copy: Copy | None = None

    # The observer.

    @property
    def copy(self) -> Copy:
        """How much of the log there is."""
        if self._copy is None:
            row = self._connection.exec_driver_sql("SELECT size, root FROM copy").one()
            self._copy = Copy(row.size, row.root)
        return self._copy

    def signed(self) -> dict[str, Signed]:
        """The heads cosigned last, by name."""
        return proving.read_signed(self._connection)

    def bodies(self) -> dict[str, int]:
        """How many bodies are not there: missing without an erasure, erased, never seen."""
        row = self._rows("SELECT count(*), count(erased_by) FROM hole")[0]
        return {
            "missing": row[0] - row[1],
            "erased": row[1],
            "never_seen": self.standing.unseen,
        }

    def finding_counts(self) -> list[tuple[str, int]]:
        """How many findings there are of each code."""
        rows = self._rows("SELECT code, count(*) FROM finding GROUP BY code")
        integrity = [(str(code), int(count)) for code, count in rows]
        return sorted([*integrity, *self._register().counts().items()])

    # Records.

    async def record(self, kind: type[R], id: str | None) -> R | None:
        """The record of this kind and id, if there is one."""
        if id is None:
            return None
        found = await self._loader(kind, partial(self._records, kind)).load(id)
        return cast("R | None", found)

    async def records(self, kind: type[R], ids: Iterable[str]) -> list[R]:
        """Those of the records that there are."""
        found = await self._loader(kind, partial(self._records, kind)).load_many(list(ids))
        return [record for record in found if record is not None]

    async def keys_of(self, owner: str) -> list[Key]:
        """The keys of a member, officer or enterprise, the oldest first."""
        return cast("list[Key]", await self._loader("keys", self._keys).load(owner))

    def page(
        self,
        kind: type[Record],
        first: int | None,
        after: str | None,
        filters: Mapping[str, Any],
        timed: str | None = None,
    ) -> Page:
        """A page of the records of a kind in the order of their ids.

        `filters` are fields of the record and their values; `from` and `to` among them bound the
        field `timed`.
        """
        count = page_size(first)
        listing = self._listing(kind.__name__, filters)
        place = "" if after is None else self._rooms.cursors.open(listing, after)
        wanted = looking.conditions_of(filters, timed)
        found, horizon = looking.find_records(self._connection, kind, place, wanted, count + 1)
        return self._page(listing, found, count, after, horizon)

    # The log.

    async def entry(self, index: int | None) -> LoggedEntry | None:
        """The entry at an index, if there is one."""
        if index is None:
            return None
        return cast("LoggedEntry | None", await self._loader("entries", self._entries).load(index))

    async def entries_at(self, indexes: Sequence[int]) -> list[LoggedEntry]:
        """Those of the entries that there are."""
        found = await self._loader("entries", self._entries).load_many(list(indexes))
        return [entry for entry in found if entry is not None]

    def event(self, id: str) -> LoggedEntry | None:
        """The entry of the event with this id, if there is one; the first of several."""
        query = f"SELECT {COLUMNS} FROM entry WHERE event = ? ORDER BY idx LIMIT 1"  # noqa: S608
        rows = self._rows(query, (id,))
        return LoggedEntry.of_row(rows[0]) if rows else None

    async def proof_of(self, index: int) -> str | None:
        """The .tlog-proof of an entry, if a checkpoint that we cosigned reaches it."""
        return cast("str | None", await self._loader("proofs", self._proofs).load(index))

    def entries(self, first: int | None, after: str | None, filters: Mapping[str, Any]) -> Page:
        """A page of entries in the order of the log: `type`, `by`, and times `from` and `to`."""
        start, end = 0, self.copy.size
        if filters.get("from") is not None:
            start = count_before(self._connection, parse_time(filters["from"]), end)
        if filters.get("to") is not None:
            end = count_before(self._connection, parse_time(filters["to"]), end)
        wanted = looking.entries_of(filters.get("type"), filters.get("by"))
        listing = self._listing("entry", filters)
        return self._entry_page(listing, first, after, (start, end), wanted)

    def timeline(self, order: Order, first: int | None, after: str | None) -> Page:
        """A page of the entries that speak of an order, up to the one that changed it last."""
        placed = self._rows("SELECT idx FROM entry WHERE event = ? LIMIT 1", (order.id,))
        changed = self._rows(
            "SELECT changed_index FROM record WHERE kind = 'Order' AND id = ?", (order.id,)
        )
        span = (placed[0][0] if placed else 0, changed[0][0] + 1 if changed else 0)
        listing = self._listing("timeline", {"order": order.id})
        return self._entry_page(listing, first, after, span, looking.speaking_of(order.id))

    # Findings and reports.

    def findings(self, first: int | None, after: str | None, filters: Mapping[str, Any]) -> Page:
        """A page of the register: `code`, `severity`, `member`, `state`."""
        count = page_size(first)
        listing = self._listing("finding", filters)
        place = (-1, -1)
        if after is not None:
            source, _, number = self._rooms.cursors.open(listing, after).partition(":")
            place = (int(source), int(number))
        state = None if filters.get("state") is None else State(filters["state"])
        wanted = Wanted(
            code=filters.get("code"),
            severity=None if filters.get("severity") is None else str(filters["severity"]),
            member=filters.get("member"),
            after=place,
        )
        found, horizon = looking.find_findings(self._register(), wanted, state, count + 1)
        rows = [(_finding_place(one), one) for one in found]
        last = None if horizon is None else _finding_place(horizon)
        return self._page(listing, rows, count, after, last)

    def finding(self, id: str) -> Registered | None:
        """The finding of this id, if there is one."""
        return self._register().find(id)

    def reports(self, first: int | None, after: str | None, filters: Mapping[str, Any]) -> Page:
        """A page of the scheduled reports, the newest first: `code`, `state`."""
        count = page_size(first)
        listing = self._listing("run", filters)
        code, state = filters.get("code"), filters.get("state")
        runs = [
            (_run_place(run), run)
            for run in read_runs(self._rooms.folder)
            if code in (None, run.code) and (state is None or run.state == str(state))
        ]
        runs.sort(key=lambda pair: pair[0], reverse=True)
        if after is not None:
            place = self._rooms.cursors.open(listing, after)
            runs = [pair for pair in runs if pair[0] < place]
        return self._page(listing, runs[: count + 1], count, after, None)

    def statistics(self) -> dict[str, Any]:
        """Figures over the whole log; raises `DoorError` when they cannot be had now."""
        return self._rooms.statistics.read()

    # How it is read.

    def _rows(self, query: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        return self._connection.exec_driver_sql(query, tuple(values)).fetchall()

    def _register(self) -> FindingRegister:
        return FindingRegister(self._rooms.folder)

    def _listing(self, name: str, filters: Mapping[str, Any]) -> list[str]:
        """What a cursor is good for: this list, these filters, this caller."""
        wanted = {key: value for key, value in filters.items() if value is not None}
        return [name, self.caller.actor, *(f"{key}={wanted[key]}" for key in sorted(wanted))]

    def _page(
        self,
        listing: list[str],
        found: Sequence[tuple[str, Any]],
        count: int,
        after: str | None,
        horizon: str | None,
    ) -> Page:
        """The page of what was found, one more than `count` if there is more.

        `horizon` is the place up to which was looked, if there is more beyond it.
        """
        seal = self._rooms.cursors.seal
        more = len(found) > count
        return Page(
            nodes=[item for _, item in found[:count]],
            cursors=[seal(listing, place) for place, _ in found[:count]],
            has_next_page=more or horizon is not None,
            has_previous_page=after is not None,
            place=None if more or horizon is None else seal(listing, horizon),
        )

    def _entry_page(
        self,
        listing: list[str],
        first: int | None,
        after: str | None,
        span: tuple[int, int],
        wanted: looking.Conditions,
    ) -> Page:
        count = page_size(first)
        start, end = span
        if after is not None:
            start = max(start, int(self._rooms.cursors.open(listing, after)) + 1)
        stop = min(end, start + ROWS_LOOKED_AT)
        entries = looking.find_entries(self._connection, (start, stop), wanted, count + 1)
        found = [(str(entry.index), entry) for entry in entries]
        return self._page(listing, found, count, after, str(stop - 1) if stop < end else None)

    def _loader(self, name: object, batch: Callable[[Sequence[Any]], Awaitable[list[Any]]]) -> Any:
        loader = self._loaders.get(name)
        if loader is None:
            loader = self._loaders[name] = DataLoader(batch_load_fn=batch)
        return loader

    async def _records(self, kind: type[Any], ids: Sequence[str]) -> list[Any]:
        found = {}
        for some in _portions(ids):
            query = f"SELECT id, json FROM record WHERE kind = ? AND id IN ({_marks(some)})"  # noqa: S608
            for row in self._rows(query, (kind.__name__, *some)):
                found[row.id] = record_from_json(kind, json.loads(row.json))
        return [found.get(one) for one in ids]

    async def _keys(self, owners: Sequence[str]) -> list[Any]:
        query = (
            "SELECT json FROM record WHERE kind = 'Key' AND id >= ? AND id < ? ORDER BY id LIMIT ?"
        )
        answers = []
        for owner in owners:
            # `0` is the character after `/`.
            rows = self._rows(query, (f"{owner}/", f"{owner}0", KEYS_MAX))
            keys = [record_from_json(Key, json.loads(row.json)) for row in rows]
            answers.append(sorted(keys, key=lambda key: (key.added_at, key.kid)))
        return answers

    async def _entries(self, indexes: Sequence[int]) -> list[Any]:
        found = {}
        for some in _portions(indexes):
            query = f"SELECT {COLUMNS} FROM entry WHERE idx IN ({_marks(some)})"  # noqa: S608
            for row in self._rows(query, some):
                found[row[0]] = LoggedEntry.of_row(row)
        return [found.get(index) for index in indexes]

    async def _proofs(self, indexes: Sequence[int]) -> list[Any]:
        proofs = proving.prove(self._connection, indexes, self.copy.size)
        return [proofs.get(index) for index in indexes]


async def member_of(inquiry: Inquiry, actor: str | None) -> str | None:
    """The member that an actor is or acts for; None for an enterprise."""
    if actor is None or actor.startswith("en_"):
        return None
    if not actor.startswith("of_"):
        return actor
    officer = await inquiry.record(Officer, actor)
    return None if officer is None else officer.member


def _portions(ids: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE))


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


def _finding_place(finding: Registered) -> str:
    return f"{finding.place[0]}:{finding.place[1]}"


def _run_place(run: Run) -> str:
    return f"{run.begun_at:015}:{run.code}:{run.period}"
