"""Which events belong to the evidence of an order: its own, and all that they rest on.

    chosen = OrderEvents(About(order, consent=…, batches=…))
    for found in every_event_we_may_read: chosen.take(found)
    chosen.finish(maker=("bank-hana", kid))
    chosen.events, chosen.unshown

Chosen are the order's events, those of its consent, the record batches its delivery cites, its
product, the objections that name it, the enterprise's enrolment and keys, the adoptions of law and
the founding; then whatever introduced the keys that signed any of these, and whatever ended such a
key or its owner's standing. Other orders under the same consent are another matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from creditchain.client.key_chain import introduced_keys
from creditchain.events import Event, parse_event_object, parse_json, unb64u
from creditchain.events.consent import (
    ConsentExpired,
    ConsentGranted,
    ConsentRefused,
    ConsentRequested,
    ConsentWithdrawn,
)
from creditchain.events.consortium import ConsortiumFounded, RulebookAdopted
from creditchain.events.enterprise import (
    AuthoriserKeyAdded,
    AuthoriserKeyRevoked,
    EnterpriseEnrolled,
)
from creditchain.events.erasure import BodyErased, DirectoryErased, ReportErased
from creditchain.events.membership import (
    MemberAdmitted,
    MemberKeyAdded,
    MemberKeyRevoked,
    MemberReinstated,
    MemberSuspended,
    MemberWithdrawn,
)
from creditchain.events.objection import ObjectionAnswered, ObjectionRaised
from creditchain.events.officer import OfficerAppointed, OfficerDismissed
from creditchain.events.order import (
    CreditDecided,
    DeliveryAcknowledged,
    DeliveryDisputed,
    OrderAccepted,
    OrderApproved,
    OrderCancelled,
    OrderDeclined,
    OrderLapsed,
    OrderPlaced,
    ReportDelivered,
)
from creditchain.events.product import ProductOffered, ProductWithdrawn
from creditchain.events.records import RecordsCommitted, RecordsSuperseded
from creditchain.seal import BODY_BYTES_MAX

OF_ORDER: Final = (
    OrderPlaced,
    OrderApproved,
    OrderAccepted,
    OrderDeclined,
    OrderCancelled,
    OrderLapsed,
    ReportDelivered,
    DeliveryAcknowledged,
    DeliveryDisputed,
    CreditDecided,
    ObjectionRaised,
    ReportErased,
)
"""What may be about an order. Named one by one: a type added later, an inspector's case say, comes
into nobody's evidence unasked."""

OF_CONSENT: Final = (
    ConsentRequested,
    ConsentGranted,
    ConsentRefused,
    ConsentWithdrawn,
    ConsentExpired,
)

STRUCTURAL: Final = (
    RulebookAdopted,
    MemberAdmitted,
    MemberSuspended,
    MemberReinstated,
    MemberWithdrawn,
    MemberKeyAdded,
    MemberKeyRevoked,
    OfficerAppointed,
    OfficerDismissed,
    EnterpriseEnrolled,
    AuthoriserKeyAdded,
    AuthoriserKeyRevoked,
    ProductOffered,
    ProductWithdrawn,
    BodyErased,
    DirectoryErased,
)
"""What an order may rest on without being named in it."""


@dataclass(frozen=True, slots=True)
class About:
    """The order, and what its record says it rests on; None and nothing where that is unknown."""

    order: str
    consent: str | None = None
    batches: frozenset[str] = frozenset()
    product: str | None = None
    enterprise: str | None = None
    seal_to: str | None = None

    @property
    def ids(self) -> set[str]:
        """The events that must be there, or erased."""
        return {self.order, *self.batches} | ({self.consent} if self.consent else set())


@dataclass(frozen=True, slots=True)
class Found:
    """An event on the log: its index, what it says, the body's bytes, and who signed it."""

    index: int
    event: Event
    body: bytes
    kid: str

    @classmethod
    def of_body(cls, index: int, body: bytes) -> Found:
        """The event in admitted body bytes, unverified; raises `MalformedEvent`."""
        value = parse_json(body, BODY_BYTES_MAX)
        return cls(index, parse_event_object(value["event"]), body, _kid_of(value["proof"]))

    @property
    def signer(self) -> tuple[str, str]:
        """Owner and kid of the key."""
        return self.event.by, self.kid


class OrderEvents:
    """Takes every event that can be read, in the log's order, and keeps those that belong."""

    def __init__(self, about: About) -> None:
        self.about = about
        self.events: list[Found] = []
        self.unshown: list[int] = []
        self._chosen: dict[int, Found] = {}
        self._structural: list[Found] = []
        self._origin: dict[tuple[str, str], Found] = {}
        self._objections: set[str] = set()
        self._seen: set[str] = set()

    @property
    def missing(self) -> set[str]:
        """The events we know of by their ids and were not shown: erased, or not ours to read."""
        return self.about.ids - self._seen

    def erasure_of(self, index: int) -> Found | None:
        """The event that erased the body of an entry."""
        return next(
            (f for f in self._structural if getattr(f.event.body, "index", None) == index), None
        )

    def take(self, found: Found) -> None:
        """Looks at the next event."""
        said = found.event.body
        for place in introduced_keys(said):
            self._origin.setdefault(place, found)
        if isinstance(said, STRUCTURAL):
            self._structural.append(found)
        elif self._is_direct(found):
            self._chosen[found.index] = found
            self._seen.add(found.event.id)
            if isinstance(said, ObjectionRaised):
                self._objections.add(found.event.id)

    def _is_direct(self, found: Found) -> bool:
        said: Any = found.event.body
        about, own = self.about, found.event.id
        if isinstance(said, OF_ORDER):
            return about.order in {own, getattr(said, "order", None)}
        if isinstance(said, OF_CONSENT):
            return about.consent is not None and about.consent in {
                own,
                getattr(said, "consent", None),
            }
        if isinstance(said, RecordsCommitted):
            return own in about.batches
        if isinstance(said, RecordsSuperseded):
            return not about.batches.isdisjoint({said.batch, said.replacement})
        if isinstance(said, ObjectionAnswered):
            return said.objection in self._objections
        return isinstance(said, ConsortiumFounded)

    def finish(self, maker: tuple[str, str], erased: Iterable[int] = ()) -> None:
        """Adds what the chosen events rest on; `erased` are entries whose bodies are gone.

        `maker` is owner and kid of the key that will sign the evidence.
        """
        gone, used = set(erased), {maker}
        unshown: set[int] = set()
        open_ = list(self._chosen.values())
        if maker in self._origin:
            open_.append(self._origin[maker])
        while open_:
            found = open_.pop()
            self._chosen[found.index] = found
            used.add(found.signer)
            origin = self._origin.get(found.signer)
            if origin is None:
                unshown.add(found.index)
            elif origin.index not in self._chosen:
                open_.append(origin)
            if not open_:
                # What ended a key, or is about its owner, is signed too, so it goes round again.
                open_ = [
                    f
                    for f in self._structural
                    if f.index not in self._chosen and self._concerns(f.event.body, used, gone)
                ]
        self.events = [self._chosen[index] for index in sorted(self._chosen)]
        self.unshown = sorted(unshown)

    def _concerns(self, said: Any, used: set[tuple[str, str]], gone: set[int]) -> bool:
        about = self.about
        owners = {owner for owner, _ in used}
        match said:
            case RulebookAdopted():
                return True
            case ProductOffered() | ProductWithdrawn():
                return bool(said.product == about.product)
            case EnterpriseEnrolled() | AuthoriserKeyAdded() | AuthoriserKeyRevoked():
                return bool(said.enterprise == about.enterprise)
            case MemberKeyAdded():
                return said.key.kid == about.seal_to
            case MemberKeyRevoked():
                return said.key == about.seal_to or (said.member, said.key) in used
            case MemberAdmitted() | MemberSuspended() | MemberReinstated() | MemberWithdrawn():
                return said.member in owners
            case OfficerDismissed():
                return said.officer in owners
            case DirectoryErased():
                return said.subject in owners | {about.enterprise}
            case BodyErased():
                return said.index in gone
            case _:
                return False


def _kid_of(proof: Any) -> str:
    """The thumbprint that a proof names; empty where it names none."""
    try:
        named = json.loads(unb64u(proof.partition("..")[0])) if isinstance(proof, str) else proof
        return str(named["kid"])
    except (ValueError, TypeError, KeyError):
        return ""
