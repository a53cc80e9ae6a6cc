"""One operation in progress: who asks, through which doors, and all it may read and do.

An `Inquiry` is the context of the resolvers; one lives as long as one operation, or one event of a
subscription, and so do its loaders. What reads a database runs in threads, batched; single records
come from the ledger's book, which remembers them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from graphene.utils.dataloader import DataLoader
from sqlalchemy import ColumnElement, and_, or_, select

from creditchain.api import authority, submission
from creditchain.api.authority import Caller, Relation
from creditchain.api.failure import DoorError, ErrorCode
from creditchain.api.looking import look_up, untold_cases
from creditchain.directory import Access, Reader, What
from creditchain.events import Body, parse_event_object
from creditchain.events.codes import MemberKind
from creditchain.ledger import tables
from creditchain.querying.page import Page, page_size
from creditchain.rulebook.readers import readers
from creditchain.rulebook.record import (
    Case,
    CaseStatus,
    Consortium,
    Enterprise,
    Key,
    Look,
    Member,
    Objection,
    Officer,
    Order,
    Product,
    Record,
    Standing,
)

if TYPE_CHECKING:
    from creditchain.api.action import Action
    from creditchain.api.doors import Doors
    from creditchain.api.schema.code import ReceiptLevels

R = TypeVar("R", bound=Record)
T = TypeVar("T")

KEYS_MAX: Final = 100
"""Keys shown of one owner; nobody rotates that often."""

CHANGES_AT_ONCE: Final = 100
"""Changes read ahead for one subscriber."""

FEW: Final = 2
"""So few records are asked of the book one by one; more are worth one query in a thread."""

_REMEMBERED: Final = (Consortium, Member, Product)
"""Kinds that are few and always in the book's memory: no loader, no thread."""

_FINDERS: Final = frozenset({MemberKind.BANK, MemberKind.AGENCY, MemberKind.JUDICIAL})
"""Kinds of member that may look an enterprise up by its code. Not the regulator: codes are public,
so whoever may ask for any of them may learn who stands behind every opaque id."""


class Inquiry:
    """What the resolvers know and may do; `caller` is None for whoever has not signed in."""

    def __init__(self, doors: Doors, caller: Caller | None, language: str, request_id: str) -> None:
        self.doors = doors
        self.caller = caller
        self.language = language
        self.request_id = request_id
        self._loaders: dict[object, Any] = {}

    @property
    def speaker(self) -> Caller:
        """Who asks; raises `DoorError` if nobody signed in."""
        self.require()
        assert self.caller is not None
        return self.caller

    def require(self) -> None:
        """Raises `DoorError` if nobody signed in."""
        if self.caller is None:
            raise DoorError(ErrorCode.UNAUTHENTICATED, "Sign in: send a bearer token.")

    @property
    def reader(self) -> Reader:
        """Who asks, as the directory records it."""
        return Reader(self.speaker.actor, self.speaker.member)

    # Records.

    async def load(self, kind: type[R], id: str) -> R | None:
        """The record, whoever asks: for references from a record that was read lawfully."""
        if kind in _REMEMBERED:
            return self.doors.ledger.book.get(kind, id)
        loader = self._loader(kind, lambda ids: self._records(kind, ids))
        return cast("R | None", await loader.load(id))

    async def read(self, kind: type[R], id: str) -> R | None:
        """The record if the caller may read it."""
        self.require()
        return await self.seen(await self.load(kind, id))

    async def seen(self, record: R | None) -> R | None:
        """The record if there is one that the caller may read."""
        if record is None or not await authority.may_read(self.speaker, record, self._ties):
            return None
        return record

    async def read_many(self, kind: type[R], ids: Sequence[str]) -> list[R]:
        """Those of the records that the caller may read."""
        found = await asyncio.gather(*(self.read(kind, one) for one in ids))
        return [record for record in found if record is not None]

    async def may_read_field(self, record: Record, name: str) -> bool:
        """Whether the caller may read this field of a record it may read."""
        return await authority.may_read_field(self.speaker, record, name, self._ties)

    async def field_of(self, record: Record, name: str) -> Any:
        """The field if the caller may read it."""
        return getattr(record, name) if await self.may_read_field(record, name) else None

    async def keys_of(self, owner: str) -> Sequence[Key]:
        """The keys of a member, officer or enterprise, the oldest first."""
        return cast("Sequence[Key]", await self._loader("keys", self._keys).load(owner))

    # Names and words, from the directory; every look leaves an access behind.

    async def name_of(self, record: Officer | Enterprise) -> str | None:
        """The name of an officer or enterprise, for those in relation."""
        if isinstance(record, Enterprise):
            row = await self._enterprise_row(record)
            return None if row is None else cast("str", row.name)
        if not await self.may_read_field(record, "name"):
            return None
        found = await self._loader("officer names", self._officer_rows).load(record.id)
        return None if found is None else cast("str", found.name)

    async def uscc_of(self, enterprise: Enterprise) -> str | None:
        """The Unified Social Credit Code, for those in relation."""
        row = await self._enterprise_row(enterprise)
        return None if row is None else cast("str", row.uscc)

    async def statement_of(self, objection: Objection, *, answer: bool) -> str | None:
        """The words of an objection, or of the answer to it."""
        if not await self.may_read_field(objection, "words"):
            return None
        event_id: str | None = objection.id
        if answer:
            event_id = await self._in_thread(self._answer_id, objection)
        return await self.words_of(event_id)

    async def words_of(self, event_id: str | None) -> str | None:
        """The words that went with an event, for whoever may read the record it belongs to."""
        if event_id is None:
            return None
        found = await self._loader("statements", self._statement_rows).load(event_id)
        return None if found is None else cast("str", found.text)

    async def names_in(self, look: Look) -> dict[str, Any]:
        """What a look on the log shows to the officer who signed it: identities and words.

        Nothing once its case is closed: who repeats an old look gets its receipt and no more.
        """
        case = self.doors.ledger.book.get(Case, look.case)
        if case is None or case.status is not CaseStatus.APPROVED:
            return {}
        reader = replace(self.reader, case=case.id)
        return await self._in_thread(look_up, self.doors, look, reader, self._answer_id)

    async def find_enterprise(self, uscc: str) -> Enterprise | None:
        """The enterprise with exactly this code; the look is recorded."""
        speaker = self.speaker
        if speaker.kind not in _FINDERS or speaker.standing is not Standing.ACTIVE:
            raise DoorError(
                ErrorCode.FORBIDDEN,
                "Only active banks, agencies and courts look codes up.",
            )
        directory, at = self.doors.directory, self.doors.now_ms()

        def find() -> str | None:
            holder = directory.find_by_uscc(uscc)
            if holder is not None:
                directory.record_access(self.reader, What.DIRECTORY, holder, at)
            return holder

        holder = await self._in_thread(find)
        return None if holder is None else await self.read(Enterprise, holder)

    # Lists.

    async def page(
        self, kind: type[Record], first: int | None, after: str | None, filters: Mapping[str, Any]
    ) -> Page:
        """A page of the records of a kind that the caller may read, by their first entry."""
        return await self._page(kind, first, after, filters, _rows_of(self.speaker, kind))

    async def looks_in(self, case: Case, first: int | None, after: str | None) -> Page:
        """A page of the looks in a case that the caller may read."""
        return await self._page(Look, first, after, {"case": case.id}, [])

    async def _page(
        self,
        kind: type[Record],
        first: int | None,
        after: str | None,
        filters: Mapping[str, Any],
        mine: Sequence[ColumnElement[bool]],
    ) -> Page:
        speaker = self.speaker
        table = tables.TABLE_OF[kind]
        count = page_size(first)
        wanted = {name: value for name, value in filters.items() if value is not None}
        listing = [table.name, speaker.party, *(f"{k}={wanted[k]}" for k in sorted(wanted))]
        conditions: list[ColumnElement[bool]] = [
            table.c[name] == str(value) for name, value in wanted.items()
        ]
        conditions += mine
        if after is not None:
            place = self.doors.cursors.open(listing, after)
            index, _, last = place.partition(":")
            conditions.append(
                or_(
                    table.c.first_index > int(index),
                    and_(table.c.first_index == int(index), table.c.id > last),
                )
            )
        query = (
            select(table)
            .where(*conditions)
            .order_by(table.c.first_index, table.c.id)
            .limit(count + 1)
        )
        rows = await self._in_thread(self._fetch, query)
        return Page(
            nodes=[tables.record_of(kind, row) for row in rows[:count]],
            cursors=[
                self.doors.cursors.seal(listing, f"{row.first_index}:{row.id}")
                for row in rows[:count]
            ],
            has_next_page=len(rows) > count,
            has_previous_page=after is not None,
        )

    async def accesses(self, first: int | None, after: str | None) -> Page:
        """Who looked at the caller; at everyone for the regulator."""
        speaker = self.speaker
        directory, count = self.doors.directory, page_size(first)
        listing = ["access", speaker.actor]
        seq = None if after is None else int(self.doors.cursors.open(listing, after))

        def fetch() -> list[Access]:
            if speaker.is_regulator:
                return directory.accesses(after=seq, limit=count + 1)
            untold = untold_cases(self.doors, speaker.actor)
            return directory.accesses_of(speaker.actor, after=seq, limit=count + 1, not_in=untold)

        rows = await self._in_thread(fetch)
        return Page(
            nodes=rows[:count],
            cursors=[self.doors.cursors.seal(listing, str(row.seq)) for row in rows[:count]],
            has_next_page=len(rows) > count,
            has_previous_page=after is not None,
        )

    async def counters(self) -> Any:
        """The consortium in numbers, remembered for a few seconds."""
        self.require()
        return await self.doors.counters.read()

    # The log.

    def head(self) -> dict[str, Any]:
        """The head of the log."""
        self.require()
        head = self.doors.ledger.head()
        return {
            "origin": self.doors.ledger.origin,
            "size": head.size,
            "root": submission.b64u(head.root),
            "checkpoint": head.note,
        }

    async def event(self, id: str | None, index: int | None) -> dict[str, Any] | None:
        """An event on the log if the caller may read its body; the look is recorded."""
        if (id is None) == (index is None):
            raise DoorError(ErrorCode.BAD_USER_INPUT, "Give either `id` or `index`.")
        speaker = self.speaker
        row = await self._in_thread(self._entry, id, index)
        if row is None:
            return None
        if row.body is None:
            # Nobody can tell any more whom an erased body concerned.
            allowed, subject = speaker.is_regulator or row.by == speaker.actor, None
        else:
            allowed, subject = body_readable(speaker, row.body, self.doors.ledger.book)
        if not allowed:
            return None
        if subject is not None and subject != speaker.party:
            await self._in_thread(
                self.doors.directory.record_access,
                self.reader,
                What.BODY,
                subject,
                self.doors.now_ms(),
            )
        body = None if row.body is None else row.body.decode()
        return {
            "index": row.idx, "at": row.at, "id": row.id, "type": row.type, "by": row.by,
            "body": body,
        }  # fmt: skip

    async def receipt_of(self, id: str) -> Any:
        """The best receipt now for the event with this id."""
        self.require()
        found = await self._in_thread(self.doors.ledger.find, id)
        return None if found is None else await self.receipt_at(found[0])

    async def receipt_at(self, index: int) -> Any:
        """The best receipt now for the entry at `index`."""
        return await self._in_thread(self.doors.ledger.receipt, index)

    # Saying something.

    async def act(
        self,
        action: Action,
        said: Body | dict[str, Any],
        seal: dict[str, Any],
        extra: dict[str, Any] | None,
        wait_for: ReceiptLevels,
    ) -> dict[str, Any]:
        """The payload of a mutation."""
        return await submission.act(self, action, said, seal, extra, wait_for)

    async def submit_bodies(self, bodies: Sequence[str]) -> list[dict[str, Any]]:
        """The answers to many signed events."""
        return await submission.submit_bodies(self, bodies)

    # Following.

    async def changes(
        self, kind: type[Record], name: str, after: int | None
    ) -> AsyncIterator[dict[str, Any]]:
        """Changes of the caller's records beyond the entry `after`, each with its entry's index."""
        ledger, speaker = self.doors.ledger, self.speaker
        table = tables.TABLE_OF[kind]
        mine = _rows_of(speaker, kind)
        place = ledger.head().size - 1 if after is None else after
        while True:
            # Read before the query: what is committed in between is seen now or woken for.
            size = ledger.head().size
            query = (
                select(table)
                # Not what is committed but not yet published: the book would still answer with what
                # was before. Such a change comes with the next round.
                .where(*mine, table.c.changed_index > place, table.c.changed_index < size)
                .order_by(table.c.changed_index)
                .limit(CHANGES_AT_ONCE)
            )
            rows = await self._in_thread(self._fetch, query)
            for row in rows:
                place = row.changed_index
                yield {"index": place, name: tables.record_of(kind, row)}
            if len(rows) < CHANGES_AT_ONCE:
                await ledger.beyond(size)

    async def heads(self) -> AsyncIterator[dict[str, Any]]:
        """The head of the log, now and whenever it has grown."""
        while True:
            head = self.head()
            yield head
            await self.doors.ledger.beyond(head["size"])

    # How it is read.

    async def _in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.to_thread(call, *arguments)

    def _loader(self, name: object, batch: Callable[[list[str]], Any]) -> Any:
        loader = self._loaders.get(name)
        if loader is None:

            async def load(ids: list[str]) -> list[Any]:
                return cast("list[Any]", await batch(ids))

            loader = self._loaders[name] = DataLoader(load, max_batch_size=500)
        return loader

    def _fetch(self, query: Any) -> list[Any]:
        with self.doors.ledger.reading() as connection:
            return list(connection.execute(query))

    async def _records(self, kind: type[R], ids: list[str]) -> list[R | None]:
        if len(ids) <= FEW:
            return [self.doors.ledger.book.get(kind, one) for one in ids]
        table = tables.TABLE_OF[kind]
        rows = await self._in_thread(self._fetch, select(table).where(table.c.id.in_(ids)))
        found = {row.id: tables.record_of(kind, row) for row in rows}
        return [found.get(one) for one in ids]

    async def _keys(self, owners: list[str]) -> list[list[Key]]:
        table = tables.member_key
        found: dict[str, list[Key]] = {owner: [] for owner in owners}

        def fetch() -> None:
            with self.doors.ledger.reading() as connection:
                for owner in owners:
                    query = (
                        select(table)
                        .where(table.c.owner == owner)
                        .order_by(table.c.first_index)
                        .limit(KEYS_MAX)
                    )
                    found[owner] = [tables.record_of(Key, row) for row in connection.execute(query)]

        await self._in_thread(fetch)
        return [found[owner] for owner in owners]

    async def _enterprise_row(self, enterprise: Enterprise) -> Any:
        if not await self.may_read_field(enterprise, "name"):
            return None
        return await self._loader("enterprise names", self._enterprise_rows).load(enterprise.id)

    async def _enterprise_rows(self, ids: list[str]) -> list[Any]:
        found = await self._in_thread(
            self.doors.directory.enterprises, ids, self.reader, self.doors.now_ms()
        )
        return [found.get(one) for one in ids]

    async def _officer_rows(self, ids: list[str]) -> list[Any]:
        found = await self._in_thread(
            self.doors.directory.officers, ids, self.reader, self.doors.now_ms()
        )
        return [found.get(one) for one in ids]

    async def _statement_rows(self, ids: list[str]) -> list[Any]:
        found = await self._in_thread(
            self.doors.directory.statements, ids, self.reader, self.doors.now_ms()
        )
        return [found.get(one) for one in ids]

    def _answer_id(self, objection: Objection) -> str | None:
        # An objection is last changed by its answer.
        if objection.answered_at is None:
            return None
        table, entry = tables.objection, tables.entry
        query = (
            select(entry.c.id)
            .join(table, table.c.changed_index == entry.c.idx)
            .where(table.c.id == objection.id)
        )
        rows = self._fetch(query)
        return rows[0].id if rows else None

    def _entry(self, id: str | None, index: int | None) -> Any:
        entry = tables.entry
        rows = self._fetch(
            select(entry).where(entry.c.id == id if id is not None else entry.c.idx == index)
        )
        return rows[0] if rows else None

    async def _ties(self, record: Record) -> frozenset[Relation]:
        """The relations that follow from other records than this one."""
        if isinstance(record, Enterprise):
            loaded = await self._loader("ties", self._enterprise_ties).load(record.id)
            return cast("frozenset[Relation]", loaded)
        if isinstance(record, Objection) and record.order is not None:
            order = await self.load(Order, record.order)
            if order is not None and order.orderer == self.speaker.party:
                return frozenset({Relation.ORDERER})
        return frozenset()

    async def _enterprise_ties(self, ids: list[str]) -> list[frozenset[Relation]]:
        speaker = self.speaker
        if speaker.member is None:
            return [frozenset() for _ in ids]
        found = await self._in_thread(self._find_ties, speaker.party, ids)
        return [frozenset(found.get(one, ())) for one in ids]

    def _find_ties(self, party: str, ids: Collection[str]) -> dict[str, set[Relation]]:
        consent, orders, objection = tables.consent, tables.orders, tables.objection
        found: dict[str, set[Relation]] = {}
        queries = (
            (Relation.GRANTEE, consent.c.enterprise, consent.c.grantee),
            (Relation.ORDERER, orders.c.enterprise, orders.c.orderer),
            (Relation.AGENCY, orders.c.enterprise, orders.c.agency),
            (Relation.HOLDER, objection.c.enterprise, objection.c.holder),
        )
        with self.doors.ledger.reading() as connection:
            for relation, enterprise, role in queries:
                query = select(enterprise).where(enterprise.in_(ids), role == party).distinct()
                for tied in connection.execute(query).scalars():
                    found.setdefault(tied, set()).add(relation)
        return found


def body_readable(caller: Caller, body: bytes, book: Any) -> tuple[bool, str | None]:
    """Whether the caller may read an admitted body, and the enterprise it is about if any."""
    event = parse_event_object(json.loads(body)["event"])
    allowed = readers(event, book)
    if allowed is None:
        return True, None
    subject = next((party for party in sorted(allowed) if party.startswith("en_")), None)
    return caller.is_regulator or caller.party in allowed, subject


def _rows_of(caller: Caller, kind: type[Record]) -> list[ColumnElement[bool]]:
    """The conditions that cut a list of a kind to the rows the caller may read."""
    table = tables.TABLE_OF[kind]
    cut = authority.scope(caller, kind)
    return [table.c[column] == str(value) for column, value in cut.items()]
