"""A body of each event type that people say, and variables for each query: all of them well formed.

Whether the law lets them stand depends on who says them; the doors must carry all of them.
"""

from __future__ import annotations

from typing import Any

from creditchain.api.action import ACTIONS, Action, Extra
from creditchain.client.fresh import fresh_salt
from creditchain.client.keys import generate_key
from creditchain.documents import load_operation
from creditchain.events import Body, codes
from creditchain.events.consent import (
    ConsentGranted,
    ConsentRefused,
    ConsentRequested,
    ConsentWithdrawn,
    Terms,
)
from creditchain.events.consortium import RulebookAdopted
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
    Ground,
    OrderAccepted,
    OrderApproved,
    OrderCancelled,
    OrderDeclined,
    OrderPlaced,
    ReportDelivered,
)
from creditchain.events.product import Money, ProductWithdrawn
from creditchain.events.records import RecordsCommitted, RecordsSuperseded
from tests.unit.api.town import (
    DAY_MS,
    USCCS,
    Town,
    digest,
    identity,
    mutation_of,
    new_id,
    officer_id,
    opaque,
    product,
    proof_of,
)

ACTION: dict[str, Action] = {a.mutation[0].upper() + a.mutation[1:]: a for a in ACTIONS}


def sample(town: Town, type_: type[Body], actor: str, order: str, consent: str) -> tuple[Body, Any]:
    """(body, extra) of an event of this type by this actor."""
    acme = opaque("en", "en-acme")
    member = actor if "_" not in actor else "bank-hana"
    kid = town.key("bank-hana").kid
    row = {"name": "Somebody", "salt": fresh_salt()}
    words = {"text": "It is not so.", "salt": fresh_salt()}
    enterprise = {"name": "Other Ltd", "uscc": spare_uscc(actor), "salt": fresh_salt()}
    terms = Terms(
        "bank-hana", codes.Purpose.PRE_LOAN_REVIEW, ("agency-pearl",), (codes.Section.LOANS,),
        town.clock(), town.clock() + DAY_MS, 1,
    )  # fmt: skip
    key = generate_key().public
    bodies: dict[type[Any], tuple[Any, Any]] = {
        RulebookAdopted: (RulebookAdopted(1), None),
        MemberAdmitted: (
            MemberAdmitted("bank-new", codes.MemberKind.BANK, "New", "440100", key), None
        ),
        MemberSuspended: (
            MemberSuspended("bank-ivy", codes.SuspensionGround.BREACH), None
        ),
        MemberReinstated: (MemberReinstated("bank-ivy"), None),
        MemberWithdrawn: (MemberWithdrawn("nobody"), None),
        MemberKeyAdded: (MemberKeyAdded(member, key), None),
        MemberKeyRevoked: (
            MemberKeyRevoked("nobody", kid, codes.RevocationReason.CEASED, town.clock()), None
        ),
        OfficerAppointed: (
            OfficerAppointed(
                opaque("of", f"x{actor[-9:]}"), (codes.Role.ADMINISTER,), key, identity(row)
            ),
            row,
        ),
        OfficerDismissed: (OfficerDismissed(opaque("of", "nobody")), None),
        EnterpriseEnrolled: (
            EnterpriseEnrolled(
                opaque("en", f"x{actor[-9:]}"), identity(enterprise), "440100", key, digest("a")
            ),
            enterprise,
        ),
        AuthoriserKeyAdded: (AuthoriserKeyAdded(acme, key, digest("paper")), None),
        AuthoriserKeyRevoked: (
            AuthoriserKeyRevoked(opaque("en", "nobody"), kid, codes.RevocationReason.CEASED), None
        ),
        **{type(p): (p, None) for p in (product("agency-pearl/more"),)},
        ProductWithdrawn: (ProductWithdrawn("agency-pearl/none"), None),
        ConsentRequested: (ConsentRequested(acme, terms), None),
        ConsentGranted: (ConsentGranted(new_id(), terms), None),
        ConsentRefused: (ConsentRefused(new_id(), codes.RefusalReason.NOT_NOW), None),
        ConsentWithdrawn: (ConsentWithdrawn(new_id()), None),
        OrderPlaced: (
            OrderPlaced(
                acme, "agency-pearl/basic", codes.Purpose.PRE_LOAN_REVIEW, (codes.Section.LOANS,),
                kid, None, Ground(codes.LawfulGround.COURT, digest("ruling")),
            ),
            None,
        ),
        OrderApproved: (OrderApproved(order), None),
        OrderAccepted: (OrderAccepted(order), None),
        OrderDeclined: (OrderDeclined(order, codes.DeclineCode.CAPACITY), None),
        OrderCancelled: (OrderCancelled(new_id()), None),
        ReportDelivered: (ReportDelivered(order, codes.Outcome.NOT_FOUND), None),
        DeliveryAcknowledged: (DeliveryAcknowledged(order), None),
        DeliveryDisputed: (
            DeliveryDisputed(order, codes.DisputeCode.INACCURATE, digest("x")), None
        ),
        CreditDecided: (
            CreditDecided(order, codes.CreditDecision.GRANTED, Money(5, "CNY")), None
        ),
        RecordsCommitted: (
            RecordsCommitted(digest("root"), 3, (codes.Section.LOANS,), town.clock()), None
        ),
        RecordsSuperseded: (
            RecordsSuperseded(new_id(), codes.SupersedeReason.UPDATED, new_id()), None
        ),
        ObjectionRaised: (
            ObjectionRaised("agency-pearl", codes.Section.LOANS, identity(words), order), words
        ),
        ObjectionAnswered: (
            ObjectionAnswered(new_id(), codes.ObjectionOutcome.DATA_RIGHT, identity(words)), words
        ),
        BodyErased: (
            BodyErased(999, digest("no entry"), codes.ErasureGround.RETENTION_ENDED), None
        ),
        DirectoryErased: (
            DirectoryErased(opaque("en", "nobody"), codes.ErasureGround.SUBJECT_REQUEST), None
        ),
        ReportErased: (ReportErased(new_id(), codes.ErasureGround.COURT_ORDER), None),
        FindingAsked: (
            FindingAsked(
                digest("finding"), "C01", "bank-hana", codes.Severity.LOW, town.clock() + DAY_MS,
                (1, 20), "delta/1",
            ),
            None,
        ),
        FindingAnswered: (
            FindingAnswered(new_id(), codes.FindingReply.CONTESTED, identity(words)), words
        ),
        FindingClosed: (FindingClosed(new_id(), codes.FindingOutcome.NOTED), None),
        CaseOpened: (
            CaseOpened("N 1", "bank-hana", codes.CaseMatter.ROUTINE, (digest("finding"),)), None
        ),
        CaseApproved: (CaseApproved(new_id()), None),
        IdentitiesResolved: (
            IdentitiesResolved(new_id(), (acme,), codes.LookGround.SAMPLE, (new_id(),)), None
        ),
        CaseClosed: (CaseClosed(new_id()), None),
    }  # fmt: skip
    return bodies[type_]


def spare_uscc(actor: str) -> str:
    """A code of its own for each actor."""
    from stdnum.cn import uscc

    letters = "".join(c for c in actor.upper() if c in "ABCDEFGHJKLMNPQRTUWXY0123456789")
    base = f"91440101MA{letters[:7]:0<7}"
    return base + uscc.calc_check_digit(base)


def variables_of(town: Town, name: str, actor: str, order: str, consent: str) -> dict[str, Any]:
    """Variables for the operation of this name, said or asked by `actor`."""
    action = ACTION.get(name)
    if action is not None:
        body, extra = sample(town, action.body, actor, order, consent)
        sealed = town.signer(actor).seal(body)
        assert (extra is not None) == (action.extra is not None)
        assert action.extra in (None, *Extra)
        return mutation_of(sealed.event, proof_of(sealed), extra)[1]
    if name == "Submit":
        body, _ = sample(town, MemberKeyAdded, actor, order, consent)
        return {"events": [town.signer(actor).seal(body).body.decode()]}
    return {
        "FindEnterprise": {"uscc": USCCS["en-acme"]},
        "Member": {"id": "bank-hana"},
        "Officer": {"id": officer_id("bank-hana")},
        "Product": {"id": "agency-pearl/basic"},
        "Enterprise": {"id": opaque("en", "en-acme")},
        "Consent": {"id": consent},
        "Order": {"id": order},
        "OrderToServe": {"id": order},
        "RecordBatch": {"id": new_id()},
        "Objection": {"id": new_id()},
        "Finding": {"id": new_id()},
        "Case": {"id": new_id()},
        "Event": {"index": 1},
        "Receipt": {"id": order},
    }.get(name, {"first": 5} if "$first" in load_operation(name) else {})
