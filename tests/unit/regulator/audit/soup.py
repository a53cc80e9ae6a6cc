"""Events of any kind in any order, about few things, so that they meet: what only a broken hub with
forgetful members would log. Nobody asks the rulebook; the same seed gives the same soup."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import StrEnum
from random import Random
from typing import Annotated, Any, Final, get_args, get_origin

from creditchain.events import EVENTS, Body, PublicKey, b64u
from creditchain.events.consent import (
    ConsentExpired,
    ConsentGranted,
    ConsentRefused,
    ConsentRequested,
    ConsentWithdrawn,
)
from creditchain.events.consortium import ConsortiumFounded
from creditchain.events.enterprise import EnterpriseEnrolled
from creditchain.events.field import fields_of
from creditchain.events.membership import MemberAdmitted
from creditchain.events.objection import ObjectionAnswered, ObjectionRaised
from creditchain.events.officer import OfficerAppointed
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
from creditchain.events.product import ProductOffered
from creditchain.events.records import RecordsCommitted, RecordsSuperseded
from fixtures.stories.story import START, actor_id, event_id, public_key
from regulator.audit import Said

TIME_MAX: Final = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last time an event can name."""
HOUR_MS: Final = 3_600_000
WAITS_MS: Final = (0, 1, 1_000, 60_000, HOUR_MS, 24 * HOUR_MS, 24 * 40 * HOUR_MS)

MEMBERS: Final = ("regulator", "operator", "hana", "minh", "pearl", "taxes")
OFFICERS: Final = tuple(actor_id(f"of_{name}") for name in ("lin", "wu", "pei", "ada"))
ENTERPRISES: Final = tuple(actor_id(f"en_{name}") for name in ("acme", "lotus", "stall"))
KEYS: Final = (*(public_key(f"soup#{n}") for n in range(4)), public_key("soup#0:seal"))
DIGESTS: Final = tuple(b64u(hashlib.sha256(bytes([n])).digest()) for n in range(4))

OF_AN_ORDER: Final = (
    OrderApproved,
    OrderAccepted,
    OrderDeclined,
    OrderCancelled,
    OrderLapsed,
    ReportDelivered,
    ReportDelivered,
    DeliveryAcknowledged,
    DeliveryDisputed,
    CreditDecided,
)
OF_A_CONSENT: Final = (ConsentGranted, ConsentGranted, ConsentWithdrawn, ConsentExpired)
OFTEN: Final[tuple[type[Body], ...]] = (
    *OF_AN_ORDER,
    *OF_AN_ORDER,
    *OF_A_CONSENT,
    ConsentRefused,
    *[ConsentRequested, OrderPlaced] * 6,
    *[MemberAdmitted, OfficerAppointed, EnterpriseEnrolled, ProductOffered] * 2,
    *[RecordsCommitted, RecordsSuperseded, ObjectionRaised, ObjectionAnswered] * 2,
    *EVENTS.values(),
)


class Soup:
    """Makes events from a seed; `said` gives them as the auditor takes them in."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._ids: dict[type[Body], list[str]] = {}
        self._now = START

    def said(self, count: int) -> Iterator[Said]:
        """So many of them; the log's time never goes back, as the auditor sees it."""
        random = self._random
        for entry in range(count):
            cls = ConsortiumFounded if entry == 0 else random.choice(OFTEN)
            if random.random() < 0.3:
                self._now += random.choice(WAITS_MS)
            if random.random() < 0.001:
                self._now = TIME_MAX - random.randrange(24 * HOUR_MS)
            self._now = min(self._now, TIME_MAX)
            body = self._instance(cls)
            name = event_id(f"soup {entry}")
            self._ids.setdefault(cls, []).append(name)
            yield Said(
                entry,
                self._now,
                b64u(hashlib.sha256(str(entry).encode()).digest()),
                name,
                random.choice((*MEMBERS, *OFFICERS, *OFFICERS, *ENTERPRISES)),
                self._time(),
                random.choice(KEYS).kid,
                body,
            )

    def _time(self) -> int:
        draw = self._random.random()
        if draw < 0.02:
            return self._random.choice((0, TIME_MAX))
        return min(TIME_MAX, max(0, self._now + self._random.randint(-400, 400) * 24 * HOUR_MS))

    def _instance(self, cls: Any) -> Any:
        return cls(
            **{
                field.name: None
                if field.optional and self._random.random() < 0.4
                else self._value(field.annotation, field.name)
                for field in fields_of(cls)
            }
        )

    def _value(self, annotation: Any, name: str) -> Any:
        random = self._random
        if get_origin(annotation) is tuple:
            item = get_args(annotation)[0]
            items = [self._value(item, name) for _ in range(random.randint(1, 3))]
            return tuple(items) if is_dataclass(item) else tuple(sorted({*items}))
        if annotation is PublicKey:
            return random.choice(KEYS)
        if isinstance(annotation, type) and issubclass(annotation, StrEnum):
            return random.choice(list(annotation))
        if get_origin(annotation) is Annotated:
            return self._scalar(get_args(annotation)[1].name, name)
        return self._instance(annotation)

    def _scalar(self, kind: str, name: str) -> Any:
        random = self._random
        match kind:
            case "EventId":
                return self._event_id(name)
            case "Timestamp":
                return self._time()
            case "Count" | "Positive" | "RecordCount":
                return random.choice((1, 2, 3, 1_000, 2**53 - 1))
        return random.choice(
            {
                "MemberId": MEMBERS,
                "OfficerId": OFFICERS,
                "EnterpriseId": ENTERPRISES,
                "ActorId": (*MEMBERS, *OFFICERS, *ENTERPRISES),
                "ProductId": ("pearl/basic", "tide/basic", "hana/odd"),
                "Digest": DIGESTS,
                "Thumbprint": tuple(key.kid for key in KEYS),
                "VerifierKey": ("log.example+5ba6b3f6+AUJhc2U2NA==",),
                "Region": ("440100", "440300", "810000"),
                "Currency": ("CNY", "USD"),
                "MediaType": ("application/json",),
                "SchemaId": ("creditchain-report/v1",),
                "Label": ("F-1", "F-2"),
                "FindingLabel": ("C01", "FORK"),
            }[kind]
        )

    def _event_id(self, name: str) -> str:
        """Mostly the id of something of the kind that the field's name asks for, lately begun."""
        cls: type[Body] = {
            "order": OrderPlaced,
            "consent": ConsentRequested,
            "batch": RecordsCommitted,
            "batches": RecordsCommitted,
            "replacement": RecordsCommitted,
            "objection": ObjectionRaised,
        }.get(name, self._random.choice(OFTEN))
        known = self._ids.get(cls)
        if known is None or self._random.random() < 0.02:
            return event_id(f"soup {self._random.randrange(1_000)}")
        return self._random.choice(known[-6:])
