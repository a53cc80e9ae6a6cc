"""The observer's copy, read for proof: entries hashed again up to the root, bodies, signatures.

The views tell what events say; what a report certifies is checked here on the bytes themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection

from creditchain.events import Event, MalformedEvent, PublicKey, parse_event_object, parse_json
from creditchain.seal import BODY_BYTES_MAX, BadSeal, SealFault, parse_entry, unseal
from creditchain.tlog.merkle import leaf_hash, tree_root
from creditchain.tlog.proof import inclusion_root, prove_inclusion
from regulator.analytics.session import Session
from regulator.database import OBSERVER_NAME, open_database
from regulator.stored import CopyDamaged, read_tree


class Body(StrEnum):
    """What became of a body."""

    HOLDS = "HOLDS"
    ERASED = "ERASED"
    MISSING = "MISSING"
    ALTERED = "ALTERED"


@dataclass(frozen=True, slots=True)
class Rehashed:
    """An entry read again: `in_tree`, its hash leads to the root; `signed`, None without a body."""

    index: int
    commitment: str
    in_tree: bool
    body: Body
    signed: bool | None

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it; an erased body is no wrong."""
        return self.in_tree and self.body in {Body.HOLDS, Body.ERASED} and self.signed is not False


class Copy:
    """The first `size` entries of the copy; `root` is computed from its tiles."""

    def __init__(self, connection: Connection, session: Session) -> None:
        self._connection = connection
        self._session = session
        self.size = session.size
        self._reader = read_tree(connection, self.size)
        self.root = tree_root(self.size, self._reader)
        self._keys: dict[tuple[str, str], PublicKey | None] = {}
        # Once: asking the view for each key would read the log each time.
        session.base.execute(
            "CREATE TEMP TABLE key_at AS SELECT owner, kid, min(added_idx) AS idx FROM keys "
            "GROUP BY owner, kid"
        )
        (self._keys_untold,) = session.one(
            "SELECT count(*) > 0 FROM entries WHERE NOT has_body AND (type IS NULL OR type IN "
            "('ConsortiumFounded', 'MemberAdmitted', 'MemberKeyAdded', 'OfficerAppointed', "
            "'EnterpriseEnrolled', 'AuthoriserKeyAdded'))"
        )

    def rehash(self, index: int) -> Rehashed:
        """An entry read again, hashed up to the root, and its body and signature with it."""
        entry, body, erased_by = self._connection.exec_driver_sql(
            "SELECT e.entry, e.body, h.erased_by FROM entry e LEFT JOIN hole h ON e.idx = h.idx "
            "WHERE e.idx = ?",
            (index,),
        ).one()
        proof = prove_inclusion(index, self.size, self._reader)
        in_tree = inclusion_root(leaf_hash(entry), index, self.size, proof) == self.root
        try:
            commitment = parse_entry(entry).commitment
        except ValueError:
            return Rehashed(index, "", in_tree, Body.ALTERED, None)
        if body is None:
            gone = Body.ERASED if erased_by is not None else Body.MISSING
            return Rehashed(index, commitment.hex(), in_tree, gone, None)
        if hashlib.sha256(body).digest() != commitment:
            return Rehashed(index, commitment.hex(), in_tree, Body.ALTERED, None)
        return Rehashed(index, commitment.hex(), in_tree, Body.HOLDS, self.is_signed(body))

    def is_signed(self, body: bytes) -> bool | None:
        """Whether the body's signature holds under a key that the log has for its author.

        None where it has no such key, and a body that may have told it is gone.
        """
        try:
            unseal(body, self._find_key)
        except MalformedEvent:
            return False
        except BadSeal as error:
            untold = error.fault is SealFault.KEY_UNKNOWN and self._keys_untold
            return None if untold else False
        return True

    def body(self, index: int) -> bytes | None:
        """The body of an entry; None when it is erased or missing."""
        found: bytes | None = self._connection.exec_driver_sql(
            "SELECT body FROM entry WHERE idx = ?", (index,)
        ).scalar()
        return found

    def _find_key(self, event: Event, kid: str) -> PublicKey | None:
        place = (event.by, kid)
        if place not in self._keys:
            rows = self._session.rows("SELECT idx FROM key_at WHERE owner = ? AND kid = ?", place)
            body = self.body(rows[0][0]) if rows else None
            self._keys[place] = None if body is None else _key_in(body, kid)
        return self._keys[place]


@contextmanager
def open_copy(folder: Path, session: Session) -> Iterator[Copy]:
    """The copy in one committed state; raises `DatabaseUnusable` and `CopyDamaged`."""
    with open_database(folder / OBSERVER_NAME, readers=True) as engine, engine.begin() as reading:
        yield Copy(reading, session)


def _key_in(body: bytes, kid: str) -> PublicKey | None:
    """The key of this thumbprint that an event puts on the log."""
    try:
        said = parse_event_object(parse_json(body, BODY_BYTES_MAX)["event"]).body
    except (MalformedEvent, TypeError, KeyError) as error:
        raise CopyDamaged(f"a body that puts a key on the log cannot be read: {error}") from None
    founders = [getattr(said, name, None) for name in ("regulator", "operator")]
    keys = [getattr(holder, "key", None) for holder in (said, *founders)]
    return next((key for key in keys if isinstance(key, PublicKey) and key.kid == kid), None)
