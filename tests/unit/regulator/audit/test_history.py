"""What each event leaves in the auditor's history, field by field."""

from typing import Any

import pytest

from creditchain.events import Body, PublicKey
from creditchain.events.codes import (
    CaseMatter,
    CreditDecision,
    DeclineCode,
    DisputeCode,
    FindingOutcome,
    FindingReply,
    LawfulGround,
    LegalForm,
    MemberKind,
    ObjectionOutcome,
    Outcome,
    Purpose,
    RefusalReason,
    RevocationReason,
    Role,
    Section,
    Severity,
    SupersedeReason,
    SuspensionGround,
)
from creditchain.events.consent import (
    ConsentExpired,
    ConsentGranted,
    ConsentRefused,
    ConsentRequested,
    ConsentWithdrawn,
    Terms,
)
from creditchain.events.consortium import ConsortiumFounded, Founder, RulebookAdopted
from creditchain.events.enterprise import (
    AuthoriserKeyAdded,
    AuthoriserKeyRevoked,
    EnterpriseEnrolled,
)
from creditchain.events.finding import FindingAnswered, FindingAsked, FindingClosed
from creditchain.events.inspection import CaseApproved, CaseClosed, CaseOpened
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
    OrderLapsed,
    OrderPlaced,
    ReportDelivered,
    SealedReport,
)
from creditchain.events.product import Money, ProductOffered, ProductWithdrawn
from creditchain.events.records import RecordsCommitted, RecordsSuperseded
from fixtures.stories.story import public_key
from regulator.audit import DictFacts, Said
from regulator.audit.fact import (
    Asked,
    Batch,
    Case,
    Consent,
    Enterprise,
    Member,
    Objection,
    Officer,
    Order,
    Product,
    SigningKey,
    member_of,
    proof_of,
)
from regulator.audit.history import take_in

KEY, OTHER_KEY = public_key("hana#0"), public_key("hana#1")
SECTIONS = (Section.IDENTITY, Section.LOANS)
SECTION_NAMES = ("IDENTITY", "LOANS")
TERMS = Terms("hana", Purpose.PRE_LOAN_REVIEW, ("pearl",), SECTIONS, 5, 500, 3)


class Past:
    """A history; each event is said at a time and an entry of its own: 1000, 1001 and so on."""

    def __init__(self) -> None:
        self.facts = DictFacts()
        self.entry = 0

    def say(self, by: str, body: Body, kid: str = "kid") -> str:
        """Take an event in; its id."""
        self.entry += 1
        at, name = 1_000 + self.entry, f"event {self.entry}"
        take_in(self.facts, Said(self.entry, at, "digest", name, by, at - 7, kid, body))
        return name

    def get(self, kind: Any, id: str) -> Any:
        return self.facts.get(kind, id)

    def key(self, owner: str, key: PublicKey = KEY) -> Any:
        return self.get(SigningKey, f"{owner}/{key.kid}")


@pytest.fixture
def past() -> Past:
    """A bank with an officer, an agency with one product, at entries 1 to 4."""
    past = Past()
    past.say("regulator", MemberAdmitted("hana", MemberKind.BANK, "Hana", "440100", KEY, "F-1"))
    past.say("regulator", MemberAdmitted("pearl", MemberKind.AGENCY, "Pearl", "440300", KEY))
    past.say("hana", OfficerAppointed("of_lin", (Role.ORDER, Role.APPROVE), KEY, "digest", 9_000))
    past.say(
        "pearl",
        ProductOffered(
            "pearl/basic", "Basic", SECTIONS, (Purpose.PRE_LOAN_REVIEW,), Money(700, "CNY"),
            60, "schema",
        ),
    )  # fmt: skip
    return past


def test_a_founding_admits_the_regulator_and_the_operator() -> None:
    past = Past()
    founders = [Founder(name, name, "440000", public_key(f"{name}#0")) for name in ("gd", "op")]
    past.say("gd", ConsortiumFounded("Pearl River", *founders, "log", "refusal", 1))
    for name, kind in (("gd", "REGULATOR"), ("op", "OPERATOR")):
        assert past.get(Member, name) == Member(name, 1, kind, "440000", None, 1_001)
        kid = public_key(f"{name}#0").kid
        assert past.get(SigningKey, f"{name}/{kid}") == SigningKey(
            f"{name}/{kid}", 1, name, "gd", 1_001
        )


def test_a_member_is_admitted_with_its_key(past: Past) -> None:
    assert past.get(Member, "hana") == Member("hana", 1, "BANK", "440100", "F-1", 1_001)
    assert past.get(Member, "pearl") == Member("pearl", 2, "AGENCY", "440300", None, 1_002)
    assert past.key("hana") == SigningKey(f"hana/{KEY.kid}", 1, "hana", "regulator", 1_001)


def test_a_member_is_suspended_reinstated_and_leaves(past: Past) -> None:
    member = past.get(Member, "hana")
    past.say("regulator", MemberSuspended("hana", SuspensionGround.BREACH))
    assert past.get(Member, "hana") == member._replace(suspended_at=1_005)
    past.say("regulator", MemberReinstated("hana"))
    assert past.get(Member, "hana") == member
    past.say("hana", MemberWithdrawn("hana"))
    assert past.get(Member, "hana") == member._replace(withdrawn_at=1_007)


def test_what_is_said_of_the_unknown_leaves_nothing(past: Past) -> None:
    before = dict(past.facts._facts)
    for body in (
        MemberSuspended("nobody", SuspensionGround.BREACH),
        MemberKeyRevoked("hana", "no such key", RevocationReason.SUPERSEDED),
        OfficerDismissed("of_nobody"),
        ProductWithdrawn("pearl/none"),
        ConsentGranted("none", TERMS),
        ConsentExpired("none"),
        OrderAccepted("none"),
        OrderLapsed("none"),
        ReportDelivered("none", Outcome.NOT_FOUND),
        FindingAnswered("none", FindingReply.ACCEPTED, "digest"),
        CaseClosed("none"),
        RulebookAdopted(2),
    ):
        past.say("of_nobody", body)
    past.say("of_nobody", OfficerAppointed("of_new", (Role.ORDER,), KEY, "digest"))
    assert past.facts._facts == before


def test_a_members_key_has_an_end_and_is_revoked_once(past: Past) -> None:
    past.say("hana", MemberKeyAdded("hana", OTHER_KEY, 8_000))
    added = SigningKey(f"hana/{OTHER_KEY.kid}", 5, "hana", "hana", 1_005, None, 8_000)
    assert past.key("hana", OTHER_KEY) == added

    def revoke(since: int | None) -> None:
        reason = RevocationReason.COMPROMISED
        past.say("hana", MemberKeyRevoked("hana", OTHER_KEY.kid, reason, since))

    revoke(None)
    assert past.key("hana", OTHER_KEY) == added._replace(revoked_at=1_006)
    # It ended when it first did, and was compromised from the earliest time that is named.
    for since, known in ((50, 50), (60, 50), (None, 50), (0, 0)):
        revoke(since)
        assert past.key("hana", OTHER_KEY) == added._replace(
            revoked_at=1_006, compromised_since=known
        )
    assert past.key("hana") == SigningKey(f"hana/{KEY.kid}", 1, "hana", "regulator", 1_001)


def test_an_officer_is_appointed_and_dismissed(past: Past) -> None:
    officer = Officer("of_lin", 3, "hana", ("ORDER", "APPROVE"), 1_003, 9_000)
    assert past.get(Officer, "of_lin") == officer
    assert past.key("of_lin") == SigningKey(
        f"of_lin/{KEY.kid}", 3, "of_lin", "hana", 1_003, None, 9_000
    )
    past.say("hana", OfficerDismissed("of_lin", 77))
    assert past.get(Officer, "of_lin") == officer._replace(dismissed_at=1_005, compromised_since=77)


def test_an_actor_speaks_for_the_institution_that_appointed_it(past: Past) -> None:
    actors = ("hana", "of_lin", "nobody", "of_nobody", "en_acme")
    assert [member_of(past.facts, actor) for actor in actors] == ["hana", "hana", None, None, None]
    past.say("of_lin", OfficerAppointed("of_wu", (Role.ORDER,), KEY, "digest"))
    assert past.get(Officer, "of_wu") == Officer("of_wu", 5, "hana", ("ORDER",), 1_005)


@pytest.mark.parametrize(
    ("by", "voucher", "form", "is_person"),
    [
        ("of_lin", "hana", LegalForm.SOLE_TRADER, 1),
        ("hana", "hana", LegalForm.ENTERPRISE, 0),
        ("stranger", "stranger", None, 0),
    ],
)
def test_an_enterprise_is_vouched_for_by_a_member(
    past: Past, by: str, voucher: str, form: LegalForm | None, is_person: int
) -> None:
    past.say(by, EnterpriseEnrolled("en_acme", "identity", "440500", KEY, "paper", form))
    assert past.get(Enterprise, "en_acme") == Enterprise(
        "en_acme", 5, voucher, "440500", "paper", 1_005, is_person
    )
    assert past.key("en_acme") == SigningKey(f"en_acme/{KEY.kid}", 5, "en_acme", by, 1_005, "paper")


def test_an_authorisers_key_rests_on_a_paper_and_is_revoked(past: Past) -> None:
    past.say("en_acme", AuthoriserKeyAdded("en_acme", OTHER_KEY, "paper 2", 7_000))
    key = SigningKey(f"en_acme/{OTHER_KEY.kid}", 5, "en_acme", "en_acme", 1_005, "paper 2", 7_000)
    assert past.key("en_acme", OTHER_KEY) == key
    reason = RevocationReason.COMPROMISED
    past.say("en_acme", AuthoriserKeyRevoked("en_acme", OTHER_KEY.kid, reason, 66))
    assert past.key("en_acme", OTHER_KEY) == key._replace(revoked_at=1_006, compromised_since=66)


def test_a_product_is_offered_and_withdrawn(past: Past) -> None:
    product = Product(
        "pearl/basic", 4, "pearl", SECTION_NAMES, ("PRE_LOAN_REVIEW",), 700, "CNY", 60, 1_004
    )
    assert past.get(Product, "pearl/basic") == product
    past.say("pearl", ProductWithdrawn("pearl/basic"))
    assert past.get(Product, "pearl/basic") == product._replace(withdrawn_at=1_005)
    past.say("stranger", ProductOffered("a/b", "B", SECTIONS, (), Money(1, "USD"), 9, "schema"))
    assert past.get(Product, "a/b").agency == "stranger"


def requested(past: Past) -> Consent:
    consent = past.say("of_lin", ConsentRequested("en_acme", TERMS))
    found: Consent = past.get(Consent, consent)
    return found


def test_a_consent_has_the_terms_that_were_granted(past: Past) -> None:
    consent = requested(past)
    assert consent == Consent(
        "event 5", 5, "en_acme", "hana", "of_lin", "PRE_LOAN_REVIEW", ("pearl",), SECTION_NAMES,
        5, 500, 3, 1_005,
    )  # fmt: skip
    assert proof_of(consent) == [5]
    terms = Terms("minh", Purpose.OTHER, ("tide",), (Section.RATINGS,), 6, 600, 4)
    past.say("en_acme", ConsentGranted(consent.id, terms), "thumb")
    granted = Consent(
        "event 5", 5, "en_acme", "minh", "of_lin", "OTHER", ("tide",), ("RATINGS",),
        6, 600, 4, 1_005, 1_006, 6, 999, granted_kid="thumb",
    )  # fmt: skip
    assert past.get(Consent, consent.id) == granted
    past.say("en_acme", ConsentWithdrawn(consent.id))
    ended = past.get(Consent, consent.id)
    assert ended == granted._replace(ended="WITHDRAWN", ended_at=1_007, ended_index=7)
    assert proof_of(ended) == [5, 6, 7]


@pytest.mark.parametrize(
    ("body", "ended"),
    [
        (ConsentRefused("event 5", RefusalReason.TOO_BROAD), "REFUSED"),
        (ConsentWithdrawn("event 5"), "WITHDRAWN"),
        (ConsentExpired("event 5"), "EXPIRED"),
    ],
)
def test_a_consent_ends_in_one_of_three_ways(past: Past, body: Body, ended: str) -> None:
    consent = requested(past)
    past.say("en_acme", body)
    found = past.get(Consent, consent.id)
    assert found == consent._replace(ended=ended, ended_at=1_006, ended_index=6)
    assert proof_of(found) == [5, 6]


def placed(past: Past, product: str = "pearl/basic", consent: str | None = None) -> Order:
    ground = None if consent else Ground(LawfulGround.COURT, "paper")
    body = OrderPlaced(
        "en_acme", product, Purpose.PRE_LOAN_REVIEW, SECTIONS, "seal", consent, ground
    )
    found: Order = past.get(Order, past.say("of_lin", body))
    return found


def test_an_order_knows_its_parties_its_price_and_its_time_limit(past: Past) -> None:
    consent = requested(past)
    order = placed(past, consent=consent.id)
    assert order == Order(
        "event 6", 6, "hana", "of_lin", "en_acme", "pearl", "pearl/basic", "PRE_LOAN_REVIEW",
        SECTION_NAMES, "event 5", None, 700, "CNY", 1_006, 999, 1_066, seal_to="seal",
    )  # fmt: skip
    assert past.get(Consent, consent.id) == consent._replace(orders=1)
    placed(past, consent=consent.id)
    assert past.get(Consent, consent.id).orders == 2


def test_an_order_for_what_was_never_offered_names_the_agency_in_it(past: Past) -> None:
    order = placed(past, "tide/odd/one")
    assert order == Order(
        "event 5", 5, "hana", "of_lin", "en_acme", "tide", "tide/odd/one", "PRE_LOAN_REVIEW",
        SECTION_NAMES, None, "COURT", 0, "", 1_005, 998, 1_005, seal_to="seal",
    )  # fmt: skip
    past.say("stranger", OrderPlaced("en_acme", "a/b", Purpose.OTHER, SECTIONS, "seal", "none"))
    assert past.get(Order, "event 6").orderer == "stranger"


def test_an_order_takes_its_course(past: Past) -> None:
    order = placed(past)
    report = SealedReport("fingerprint", "ciphertext", 9, "application/json", "schema", "seal")
    course: list[tuple[Body, dict[str, Any]]] = [
        (OrderApproved(order.id), {"approved_by": "of_wu", "approved_at": 1_006}),
        (OrderAccepted(order.id), {"accepted_at": 1_007}),
        (
            ReportDelivered(order.id, Outcome.COMPLETE, report),
            {
                "deliveries": 1,
                "delivered_at": 1_008,
                "delivered_index": 8,
                "outcome": "COMPLETE",
                "fingerprint": "fingerprint",
            },
        ),
        (
            DeliveryAcknowledged(order.id, "fingerprint"),
            {"acknowledged_at": 1_009, "acknowledged_index": 9},
        ),
        (
            DeliveryDisputed(order.id, DisputeCode.FINGERPRINT_MISMATCH),
            {"disputed_at": 1_010, "disputed_index": 10},
        ),
        (
            CreditDecided(order.id, CreditDecision.GRANTED, Money(900, "CNY")),
            {"decision": "GRANTED", "decided_at": 1_011, "amount": 900},
        ),
        (
            CreditDecided(order.id, CreditDecision.DECLINED),
            {"decision": "DECLINED", "decided_at": 1_012, "amount": None},
        ),
        (
            ReportDelivered(order.id, Outcome.NOT_FOUND),
            {
                "deliveries": 2,
                "delivered_at": 1_013,
                "delivered_index": 13,
                "outcome": "NOT_FOUND",
                "fingerprint": None,
            },
        ),
    ]
    for body, change in course:
        past.say("of_wu", body)
        order = order._replace(**change)
        assert past.get(Order, order.id) == order


@pytest.mark.parametrize(
    ("end", "ended", "orders"),
    [
        (lambda order: OrderDeclined(order, DeclineCode.CAPACITY), "DECLINED", 0),
        (OrderCancelled, "CANCELLED", 1),
        (OrderLapsed, "LAPSED", 0),
    ],
)
def test_what_the_agency_ends_gives_the_use_back_once(
    past: Past, end: Any, ended: str, orders: int
) -> None:
    consent = requested(past)
    order = placed(past, consent=consent.id)
    for at in (1_007, 1_008):
        past.say("of_pei", end(order.id))
        assert past.get(Order, order.id) == order._replace(ended=ended, ended_at=at)
        assert past.get(Consent, consent.id).orders == orders


def test_an_order_without_a_consent_gives_no_use_back(past: Past) -> None:
    consent = requested(past)
    for order in (placed(past), placed(past, consent="none")):
        past.say("of_pei", OrderLapsed(order.id))
        assert past.get(Order, order.id).ended == "LAPSED"
    assert past.get(Consent, consent.id) == consent


def test_records_are_committed_to_and_superseded(past: Past) -> None:
    batch = past.say("of_lin", RecordsCommitted("root", 40, SECTIONS, 33))
    committed = Batch(batch, 5, "hana", 40, SECTION_NAMES, 33, 1_005)
    assert past.get(Batch, batch) == committed
    past.say("hana", RecordsSuperseded(batch, SupersedeReason.UPDATED, "event 9"))
    assert past.get(Batch, batch) == committed._replace(
        superseded_at=1_006, replacement="event 9", reason="UPDATED"
    )
    other = past.say("stranger", RecordsCommitted("root", 1, SECTIONS, 33))
    assert past.get(Batch, other).member == "stranger"


def test_an_objection_is_raised_and_answered(past: Past) -> None:
    objection = past.say("en_acme", ObjectionRaised("pearl", Section.LOANS, "digest", "event 1"))
    raised = Objection(objection, 5, "en_acme", "pearl", "LOANS", "event 1", 1_005)
    assert past.get(Objection, objection) == raised
    past.say("pearl", ObjectionAnswered(objection, ObjectionOutcome.DATA_WRONG, "digest"))
    assert past.get(Objection, objection) == raised._replace(
        answered_at=1_006, outcome="DATA_WRONG"
    )


def test_a_finding_is_asked_about_answered_first_and_closed(past: Past) -> None:
    asked = past.say("of_ins", FindingAsked("finding", "C01", "hana", Severity.HIGH, 4_000))
    open_ = Asked(asked, 5, "finding", "hana", 4_000, 1_005)
    assert past.get(Asked, asked) == open_
    # The first reply is the one that counts.
    for _ in range(2):
        past.say("hana", FindingAnswered(asked, FindingReply.ACCEPTED, "digest"))
        assert past.get(Asked, asked) == open_._replace(answered_at=1_006)
    # Only the regulator closes it.
    past.say("hana", FindingClosed(asked, FindingOutcome.SANCTIONED))
    assert past.get(Asked, asked) == open_._replace(answered_at=1_006)
    past.facts.put(Member("regulator", 0, "REGULATOR", "440100", None, 0))
    past.say("regulator", FindingClosed(asked, FindingOutcome.SANCTIONED))
    assert past.get(Asked, asked) == open_._replace(answered_at=1_006, closed_at=1_009)


def test_a_case_is_opened_approved_by_another_and_closed(past: Past) -> None:
    case = past.say("of_ins", CaseOpened("Notice 7", "hana", CaseMatter.ROUTINE))
    opened = Case(case, 5, "Notice 7", "hana", "of_ins", 1_005)
    assert past.get(Case, case) == opened
    past.say("of_two", CaseApproved(case))
    approved = opened._replace(approved_by="of_two", approved_at=1_006)
    assert past.get(Case, case) == approved
    past.say("of_ins", CaseClosed(case))
    assert past.get(Case, case) == approved._replace(closed_at=1_007)
