"""Every event type there is, by name. A new type is one class and one line here.

PURE.
"""

from __future__ import annotations

from typing import Final, TypeAlias

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
from creditchain.events.finding import FindingAnswered, FindingAsked, FindingClosed
from creditchain.events.inspection import (
    CaseApproved,
    CaseClosed,
    CaseOpened,
    IdentitiesResolved,
)
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

Body: TypeAlias = (
    ConsortiumFounded
    | RulebookAdopted
    | MemberAdmitted
    | MemberSuspended
    | MemberReinstated
    | MemberWithdrawn
    | MemberKeyAdded
    | MemberKeyRevoked
    | OfficerAppointed
    | OfficerDismissed
    | EnterpriseEnrolled
    | AuthoriserKeyAdded
    | AuthoriserKeyRevoked
    | ProductOffered
    | ProductWithdrawn
    | ConsentRequested
    | ConsentGranted
    | ConsentRefused
    | ConsentWithdrawn
    | ConsentExpired
    | OrderPlaced
    | OrderApproved
    | OrderAccepted
    | OrderDeclined
    | OrderCancelled
    | OrderLapsed
    | ReportDelivered
    | DeliveryAcknowledged
    | DeliveryDisputed
    | CreditDecided
    | RecordsCommitted
    | RecordsSuperseded
    | ObjectionRaised
    | ObjectionAnswered
    | BodyErased
    | DirectoryErased
    | ReportErased
    | FindingAsked
    | FindingAnswered
    | FindingClosed
    | CaseOpened
    | CaseApproved
    | IdentitiesResolved
    | CaseClosed
)

EVENTS: Final[dict[str, type[Body]]] = {
    "ConsortiumFounded": ConsortiumFounded,
    "RulebookAdopted": RulebookAdopted,
    "MemberAdmitted": MemberAdmitted,
    "MemberSuspended": MemberSuspended,
    "MemberReinstated": MemberReinstated,
    "MemberWithdrawn": MemberWithdrawn,
    "MemberKeyAdded": MemberKeyAdded,
    "MemberKeyRevoked": MemberKeyRevoked,
    "OfficerAppointed": OfficerAppointed,
    "OfficerDismissed": OfficerDismissed,
    "EnterpriseEnrolled": EnterpriseEnrolled,
    "AuthoriserKeyAdded": AuthoriserKeyAdded,
    "AuthoriserKeyRevoked": AuthoriserKeyRevoked,
    "ProductOffered": ProductOffered,
    "ProductWithdrawn": ProductWithdrawn,
    "ConsentRequested": ConsentRequested,
    "ConsentGranted": ConsentGranted,
    "ConsentRefused": ConsentRefused,
    "ConsentWithdrawn": ConsentWithdrawn,
    "ConsentExpired": ConsentExpired,
    "OrderPlaced": OrderPlaced,
    "OrderApproved": OrderApproved,
    "OrderAccepted": OrderAccepted,
    "OrderDeclined": OrderDeclined,
    "OrderCancelled": OrderCancelled,
    "OrderLapsed": OrderLapsed,
    "ReportDelivered": ReportDelivered,
    "DeliveryAcknowledged": DeliveryAcknowledged,
    "DeliveryDisputed": DeliveryDisputed,
    "CreditDecided": CreditDecided,
    "RecordsCommitted": RecordsCommitted,
    "RecordsSuperseded": RecordsSuperseded,
    "ObjectionRaised": ObjectionRaised,
    "ObjectionAnswered": ObjectionAnswered,
    "BodyErased": BodyErased,
    "DirectoryErased": DirectoryErased,
    "ReportErased": ReportErased,
    "FindingAsked": FindingAsked,
    "FindingAnswered": FindingAnswered,
    "FindingClosed": FindingClosed,
    "CaseOpened": CaseOpened,
    "CaseApproved": CaseApproved,
    "IdentitiesResolved": IdentitiesResolved,
    "CaseClosed": CaseClosed,
}

TYPE_OF: Final[dict[type[Body], str]] = {cls: name for name, cls in EVENTS.items()}
