"""The directory: the names and codes that the log must not hold, and who looked at them.

The log knows an enterprise or officer by an opaque id and the salted fingerprint of its row here;
so a row can be checked against the log, and erased without touching it. A row is *staged* before
its event is submitted and *confirmed* once the log has it; only confirmed rows are ever read out,
and reading them out needs a `Reader` and leaves an access behind.

    directory.put_enterprise(id, EnterpriseRow(name, uscc, salt), identity, at)
    ... submit EnterpriseEnrolled; admitted: confirm(id, identity), refused: discard(id, identity)
    directory.enterprises([id], Reader("of_…", "bank-hana"), at)[id].name

Every method blocks for a moment and may be called from any thread.
"""

from __future__ import annotations

import hashlib
import json
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias, get_args

from sqlalchemy import Connection, Engine, and_, delete, insert, or_, select, update
from stdnum.cn import uscc as stdnum_uscc
from stdnum.exceptions import InvalidChecksum, ValidationError

from creditchain.events import b64u, canonical_json, unb64u
from creditchain.events.field import Label
from creditchain.fingerprint import SALT_BYTES, fingerprint
from creditchain.private_store import reading, scrub, writing
from creditchain.private_store.shred import lock, shred, unlock
from creditchain.private_store.tables import ACCESS, DIRECTORY, ROW_KEY

STATEMENT_CHARS_MAX: Final = 4_000
"""The words of an objection or of its answer: two pages. A longer case goes by paper."""

BATCH_MAX: Final = 500
"""Rows read out at once: a page of 100 orders names at most 200 parties; SQLite takes 32,766."""

PAGE_MAX: Final = 1_000
"""Accesses or staged rows listed at once."""

LOOK_MERGE_MS: Final = 60_000
"""One reader who sees the same name again within a minute has looked once: pages poll."""

LOOKS_REMEMBERED: Final = 10_000
"""Recent looks kept in memory for that; a forgotten one is merely recorded again."""

_BUCKETS: Final = 65_536


class What(StrEnum):
    """What was looked at."""

    DIRECTORY = "directory"
    REPORT = "report"
    BODY = "body"


class BadRow(ValueError):
    """The data is no directory row: `field` is `name`, `uscc`, `salt` or `text`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class IdentityMismatch(ValueError):
    """The row is not the one whose fingerprint the event carries."""


class UsccTaken(ValueError):
    """Another enterprise of the directory has this code."""


@dataclass(frozen=True, slots=True)
class EnterpriseRow:
    """An enterprise's registered name and Unified Social Credit Code; `salt` is base64url."""

    name: str
    uscc: str
    salt: str = field(repr=False)

    def identity(self) -> str:
        """What the log holds of it."""
        return _salted(self.salt, {"name": self.name, "uscc": self.uscc})


@dataclass(frozen=True, slots=True)
class OfficerRow:
    """An officer's name."""

    name: str
    salt: str = field(repr=False)

    def identity(self) -> str:
        """What the log holds of it."""
        return _salted(self.salt, {"name": self.name})


@dataclass(frozen=True, slots=True)
class StatementRow:
    """The words of an objection, or of the answer to one."""

    text: str
    salt: str = field(repr=False)

    def identity(self) -> str:
        """What the log holds of it."""
        return _salted(self.salt, {"text": self.text})


Row: TypeAlias = EnterpriseRow | OfficerRow | StatementRow


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: the actor, and the member it acts for (None: an enterprise about itself).

    `case` is the inspection case it reads in, for an officer of the regulator.
    """

    actor: str
    member: str | None
    case: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """One look: by whom, when (ms), at what of whom, and for which order or case if for one.

    `seq` grows with time and is the key to page by.
    """

    seq: int
    at: int
    actor: str
    member: str | None
    what: What
    subject: str
    order: str | None
    case: str | None = None


@dataclass(frozen=True, slots=True)
class Staged:
    """A row whose event was not yet seen on the log; `kind` is the row's class."""

    id: str
    identity: str
    kind: type[Row]
    staged_at: int


_KINDS: Final[dict[str, type[Row]]] = {
    "enterprise": EnterpriseRow,
    "officer": OfficerRow,
    "statement": StatementRow,
}
_NAME_OF: Final = {cls: name for name, cls in _KINDS.items()}


class Directory:
    """The directory in an open private store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._recent: OrderedDict[tuple[str | None, ...], int] = OrderedDict()
        self._lock = threading.Lock()

    def put_enterprise(self, id: str, row: EnterpriseRow, identity: str, at: int) -> None:
        """Stage an enterprise's row under its event's `identity`.

        Raises BadRow, IdentityMismatch, UsccTaken, StoreFull. Repeating it changes nothing, and
        nor does repeating it after an erasure: what is erased stays so.
        """
        check_name(row.name)
        check_uscc(row.uscc)
        self._put(id, row, identity, at)

    def put_officer(self, id: str, row: OfficerRow, identity: str, at: int) -> None:
        """Stage an officer's row; raises as `put_enterprise`, save UsccTaken."""
        check_name(row.name)
        self._put(id, row, identity, at)

    def put_statement(self, event_id: str, row: StatementRow, identity: str, at: int) -> None:
        """Stage the words that go with ObjectionRaised or ObjectionAnswered, under its event id.

        Raises as `put_enterprise`, save UsccTaken.
        """
        check_text(row.text)
        self._put(event_id, row, identity, at)

    def confirm(self, id: str, identity: str) -> bool:
        """The log has the event: the row counts from now on. False when there is no such row."""
        with writing(self._engine) as connection:
            row = connection.execute(
                select(DIRECTORY.c.confirmed).where(_is(id, identity))
            ).one_or_none()
            if row is None:
                return False
            if not row.confirmed:
                connection.execute(
                    update(DIRECTORY).where(_is(id, identity)).values(confirmed=True)
                )
            return True

    def discard(self, id: str, identity: str) -> bool:
        """The event was refused: the staged row goes for good. Never touches a confirmed one."""
        with writing(self._engine) as connection:
            slot = connection.execute(
                select(DIRECTORY.c.slot).where(_is(id, identity), ~DIRECTORY.c.confirmed)
            ).scalar_one_or_none()
            if slot is None:
                return False
            shred(connection, slot)
            connection.execute(delete(DIRECTORY).where(_is(id, identity)))
        scrub(self._engine)
        return True

    def staged(self, after_seq: int, limit: int = PAGE_MAX) -> list[tuple[int, Staged]]:
        """Staged rows with their keys to page by, oldest first."""
        query = (
            select(DIRECTORY)
            .where(~DIRECTORY.c.confirmed, DIRECTORY.c.seq > after_seq)
            .order_by(DIRECTORY.c.seq)
            .limit(min(limit, PAGE_MAX))
        )
        with reading(self._engine) as connection:
            return [
                (r.seq, Staged(r.id, r.identity, _KINDS[r.kind], r.staged_at))
                for r in connection.execute(query)
            ]

    def enterprises(
        self, ids: Collection[str], reader: Reader, at: int, order: str | None = None
    ) -> dict[str, EnterpriseRow]:
        """The rows of those enterprises that have one; each is recorded as looked at."""
        found = self._rows(ids, EnterpriseRow)
        self._record(reader, What.DIRECTORY, found, at, order)
        return found

    def officers(self, ids: Collection[str], reader: Reader, at: int) -> dict[str, OfficerRow]:
        """The rows of those officers that have one; each is recorded as looked at."""
        found = self._rows(ids, OfficerRow)
        self._record(reader, What.DIRECTORY, found, at, None)
        return found

    def statements(
        self, event_ids: Collection[str], reader: Reader, at: int
    ) -> dict[str, StatementRow]:
        """The words that go with these events, where they are there; each recorded as looked at."""
        found = self._rows(event_ids, StatementRow)
        self._record(reader, What.DIRECTORY, found, at, None)
        return found

    def find_by_uscc(self, uscc: str) -> str | None:
        """The id of the enterprise with exactly this code; raises BadRow for what is no code.

        An id alone is no look; reading its row is.
        """
        check_uscc(uscc)
        with reading(self._engine) as connection:
            return _holder(connection, uscc, confirmed_only=True)

    def has_row(self, id: str) -> bool:
        """Whether there is a confirmed row that was not erased, without reading it."""
        query = select(DIRECTORY.c.seq).where(
            DIRECTORY.c.id == id, DIRECTORY.c.confirmed, DIRECTORY.c.content.is_not(None)
        )
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def erase(self, id: str, at: int) -> bool:
        """Erase the row for good, after its DirectoryErased is on the log; False if it is gone.

        Also what was staged under the id. Its accesses stay: they name nobody.
        """
        with writing(self._engine) as connection:
            slots = connection.execute(
                select(DIRECTORY.c.slot).where(
                    DIRECTORY.c.id == id, DIRECTORY.c.content.is_not(None)
                )
            )
            found = slots.scalars().all()
            for slot in found:
                shred(connection, slot)
            connection.execute(
                update(DIRECTORY)
                .where(DIRECTORY.c.id == id, DIRECTORY.c.content.is_not(None))
                .values(content=None, uscc_bucket=None, erased_at=at)
            )
        # Also when nothing was left: a crash may have come between erasing and scrubbing.
        scrub(self._engine)
        return bool(found)

    def record_access(
        self, reader: Reader, what: What, subject: str, at: int, order: str | None = None
    ) -> None:
        """Record that a report was fetched or a body read; `subject` is whom it is about."""
        self._record(reader, what, (subject,), at, order)

    def record_accesses(
        self, reader: Reader, what: What, subjects: Collection[str], at: int
    ) -> None:
        """As `record_access`, of many at once; of none it does nothing."""
        self._record(reader, what, subjects, at, None)

    def accesses_of(
        self,
        subject: str,
        *,
        after: int | None = None,
        limit: int,
        newest_first: bool = False,
        not_in: Collection[str] = (),
    ) -> list[Access]:
        """Who looked at this subject, beyond the access with the key `after`.

        Without the looks in the cases `not_in`, of which the subject is not told yet.
        """
        condition = ACCESS.c.subject == subject
        if not_in:
            told = or_(ACCESS.c.case_id.is_(None), ACCESS.c.case_id.not_in(not_in))
            condition = and_(condition, told)
        return self._accesses(condition, after, limit, newest_first)

    def cases_of(self, subject: str) -> list[str]:
        """The inspection cases in which this subject was looked at."""
        query = (
            select(ACCESS.c.case_id)
            .where(ACCESS.c.subject == subject, ACCESS.c.case_id.is_not(None))
            .distinct()
        )
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def accesses_by_member(
        self, member: str, *, after: int | None = None, limit: int, newest_first: bool = False
    ) -> list[Access]:
        """At whom this member's officers looked."""
        return self._accesses(ACCESS.c.member == member, after, limit, newest_first)

    def accesses(
        self, *, after: int | None = None, limit: int, newest_first: bool = False
    ) -> list[Access]:
        """All looks, for the regulator."""
        return self._accesses(ACCESS.c.seq > 0, after, limit, newest_first)

    def _put(self, id: str, row: Row, identity: str, at: int) -> None:
        check_salt(row.salt)
        if row.identity() != identity:
            raise IdentityMismatch("the fingerprint in the event is not that of the row")
        uscc = row.uscc if isinstance(row, EnterpriseRow) else None
        with writing(self._engine) as connection:
            if connection.execute(
                select(DIRECTORY.c.seq).where(
                    (DIRECTORY.c.id == id)
                    & ((DIRECTORY.c.identity == identity) | DIRECTORY.c.erased_at.is_not(None))
                )
            ).first():
                return
            if uscc is not None and _holder(connection, uscc, other_than=id) is not None:
                raise UsccTaken("the directory has this code for another enterprise")
            slot, content = lock(connection, id, canonical_json(_fields(row)))
            connection.execute(
                insert(DIRECTORY).values(
                    id=id,
                    kind=_NAME_OF[type(row)],
                    identity=identity,
                    uscc_bucket=None if uscc is None else _bucket(uscc),
                    slot=slot,
                    content=content,
                    staged_at=at,
                    confirmed=False,
                )
            )

    def _rows(self, ids: Collection[str], kind: type[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in _parts(ids):
            query = (
                select(DIRECTORY.c.id, DIRECTORY.c.content, _KEY)
                .where(
                    DIRECTORY.c.id.in_(part),
                    DIRECTORY.c.kind == _NAME_OF[kind],
                    DIRECTORY.c.confirmed,
                    DIRECTORY.c.content.is_not(None),
                )
                .order_by(DIRECTORY.c.seq)
            )
            with reading(self._engine) as connection:
                for row in connection.execute(query):
                    value = unlock(row.key, row.id, row.content)
                    if value is not None:
                        found[row.id] = kind(**json.loads(value))
        return found

    def _record(
        self, reader: Reader, what: What, subjects: Iterable[str], at: int, order: str | None
    ) -> None:
        """Commits before it returns, so nothing is shown that is not recorded."""
        looks = [
            (subject, (reader.actor, what.value, subject, order, reader.case))
            for subject in subjects
            if subject != reader.actor  # looking at oneself is no look
        ]
        with self._lock:
            new = [
                subject
                for subject, key in looks
                if what is not What.DIRECTORY or at - self._recent.get(key, 0) >= LOOK_MERGE_MS
            ]
        if not new:
            return
        with writing(self._engine) as connection:
            connection.execute(
                insert(ACCESS),
                [
                    {
                        "at": at,
                        "actor": reader.actor,
                        "member": reader.member,
                        "what": what.value,
                        "subject": subject,
                        "order_id": order,
                        "case_id": reader.case,
                    }
                    for subject in new
                ],
            )
        with self._lock:
            for _, key in looks:
                self._recent[key] = max(at, self._recent.pop(key, 0))
            while len(self._recent) > LOOKS_REMEMBERED:
                self._recent.popitem(last=False)

    def _accesses(
        self, condition: Any, after: int | None, limit: int, newest_first: bool
    ) -> list[Access]:
        seq = ACCESS.c.seq
        query = select(ACCESS).where(condition).limit(min(limit, PAGE_MAX))
        if after is not None:
            query = query.where(seq < after if newest_first else seq > after)
        query = query.order_by(seq.desc() if newest_first else seq)
        with reading(self._engine) as connection:
            return [
                Access(
                    r.seq, r.at, r.actor, r.member, What(r.what), r.subject, r.order_id, r.case_id
                )
                for r in connection.execute(query)
            ]


def check_name(name: str) -> None:
    """Raise BadRow unless `name` is a name as events and pages can show it."""
    try:
        get_args(Label)[1].parse(name)
    except ValueError as error:
        raise BadRow("name", str(error)) from None


def check_text(text: str) -> None:
    """Raise BadRow unless `text` is a statement: 1 to 4,000 characters, newlines allowed."""
    if not text.strip() or len(text) > STATEMENT_CHARS_MAX:
        raise BadRow("text", f"not a text of 1 to {STATEMENT_CHARS_MAX} characters")
    if any((c < " " and c != "\n") or 0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise BadRow("text", "a control character or a lone surrogate")


def check_salt(salt: str) -> None:
    """Raise BadRow unless `salt` is 16 bytes in base64url."""
    try:
        good = len(unb64u(salt)) == SALT_BYTES
    except ValueError:
        good = False
    if not good:
        raise BadRow("salt", "not 16 bytes in base64url")


def check_uscc(code: str) -> None:
    """Raise BadRow unless `code` is a Unified Social Credit Code in its one spelling.

    Another spelling of a good code (full-width digits, lower case, spaces) is refused with the
    right one shown, never corrected in silence: the code stands in a signed fingerprint.
    """
    meant = "".join(unicodedata.normalize("NFKC", code[:60]).upper().replace("-", " ").split())
    # The library would itself correct what it is given, so it only ever sees the plain spelling.
    try:
        stdnum_uscc.validate(meant if meant.isascii() else "")
    except InvalidChecksum:
        raise BadRow("uscc", "the check digit is wrong: one of the 18 is mistyped") from None
    except (ValidationError, ValueError):
        raise BadRow(
            "uscc", "not a Unified Social Credit Code: 18 digits and capitals without I, O, S, V, Z"
        ) from None
    if code != meant:
        raise BadRow("uscc", f"write it as {meant}")


_KEY: Final[Any] = (
    select(ROW_KEY.c.key).where(ROW_KEY.c.slot == DIRECTORY.c.slot).scalar_subquery().label("key")
)


def _is(id: str, identity: str) -> Any:
    return and_(DIRECTORY.c.id == id, DIRECTORY.c.identity == identity)


def _holder(
    connection: Connection,
    uscc: str,
    *,
    confirmed_only: bool = False,
    other_than: str | None = None,
) -> str | None:
    """The id of an enterprise with this code. Reads one bucket: some 35 rows of 2,276,400."""
    query = (
        select(DIRECTORY.c.id, DIRECTORY.c.content, _KEY)
        .where(DIRECTORY.c.uscc_bucket == _bucket(uscc), DIRECTORY.c.content.is_not(None))
        .order_by(DIRECTORY.c.seq)
    )
    if confirmed_only:
        query = query.where(DIRECTORY.c.confirmed)
    for row in connection.execute(query):
        value = unlock(row.key, row.id, row.content)
        if row.id != other_than and value is not None and json.loads(value)["uscc"] == uscc:
            return str(row.id)
    return None


def _bucket(uscc: str) -> int:
    """16 bits of a hash: enough to find a row quickly, too few to tell an erased one by."""
    return int.from_bytes(hashlib.sha256(b"uscc\0" + uscc.encode()).digest()) % _BUCKETS


def _fields(row: Row) -> dict[str, str]:
    match row:
        case EnterpriseRow(name, uscc, salt):
            return {"name": name, "uscc": uscc, "salt": salt}
        case OfficerRow(name, salt):
            return {"name": name, "salt": salt}
        case StatementRow(text, salt):
            return {"text": text, "salt": salt}


def _salted(salt: str, content: dict[str, str]) -> str:
    return b64u(fingerprint(unb64u(salt), canonical_json(content)))


def _parts(ids: Collection[str]) -> Iterable[Sequence[str]]:
    unique = list(dict.fromkeys(ids))
    return (unique[at : at + BATCH_MAX] for at in range(0, len(unique), BATCH_MAX))
