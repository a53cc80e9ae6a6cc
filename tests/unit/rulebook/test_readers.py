"""Who may read which body."""

import pytest

from creditchain.events import EVENTS
from creditchain.rulebook import NEVER_ERASED, READERS, Violation, decide, member_of, readers
from creditchain.rulebook.book import DictBook
from fixtures.stories import STORIES, read_story
from fixtures.stories.story import actor_id, compose

ACME, LOTUS, LIN = actor_id("en_acme"), actor_id("en_lotus"), actor_id("of_lin")

OPEN = {
    "ConsortiumFounded",
    "RulebookAdopted",
    "MemberAdmitted",
    "MemberSuspended",
    "MemberReinstated",
    "MemberWithdrawn",
    "MemberKeyAdded",
    "MemberKeyRevoked",
    "OfficerAppointed",
    "OfficerDismissed",
    "ProductOffered",
    "ProductWithdrawn",
    "RecordsCommitted",
    "RecordsSuperseded",
    "BodyErased",
}


def read(story: str) -> tuple[frozenset[str] | None, DictBook]:
    """The readers of the story's last event, and the book after it."""
    book, found = DictBook(), None
    for line, sealed, at in compose("include consortium\n" + story):
        answer = decide(book, sealed, at)
        if line.code == "ok":
            assert not isinstance(answer, Violation), line.where
            book.put(answer)
            found = readers(sealed.event, book)
    return found, book


def test_every_event_type_has_its_readers():
    assert READERS.keys() == set(EVENTS.values())


def test_bodies_about_the_consortium_are_open_to_every_member():
    assert {type_.__name__ for type_, parties in READERS.items() if parties is None} == OPEN


def test_a_body_that_names_a_person_or_an_enterprise_may_be_erased():
    closed = {type_ for type_, parties in READERS.items() if parties is not None}
    proofs = {"DirectoryErased", "ReportErased"}
    # What the regulator asked and whom it looked at is not for it to take back.
    asked = {"FindingAsked", "FindingAnswered", "FindingClosed"}
    inspected = {"CaseOpened", "CaseApproved", "IdentitiesResolved", "CaseClosed"}
    assert {t.__name__ for t in closed & NEVER_ERASED} == proofs | asked | inspected


C1 = "of_lin ConsentRequested c1 -> ok\n"
GRANTED = C1 + "en_acme ConsentGranted consent=c1 -> ok\n"
PLACED = GRANTED + "of_lin OrderPlaced o1 consent=c1 -> ok\n"
DELIVERED = PLACED + "of_pei OrderAccepted order=o1 -> ok\nof_pei ReportDelivered order=o1 -> ok\n"

QI = "regulator OfficerAppointed officer=of_qi roles=AUDIT -> ok\n"
ASKED = QI + "of_qi FindingAsked f1 -> ok\n"
CASE = QI + "regulator OfficerAppointed officer=of_ren roles=AUDIT -> ok\n"
CASE += "of_qi CaseOpened k1 -> ok\n"
APPROVED = CASE + "of_ren CaseApproved case=k1 -> ok\n"
LOOKED = APPROVED + "of_ren IdentitiesResolved case=k1 -> ok\n"

OBJECTED = DELIVERED + "en_acme ObjectionRaised j1 order=o1 -> ok\n"


@pytest.mark.parametrize(
    ("story", "told"),
    [
        # Who has no appointment at hand cannot check an officer's signature.
        ("hana OfficerAppointed officer=of_new roles=ORDER -> ok", None),
        ("of_ada OfficerDismissed officer=of_lin -> ok", None),
        ("pearl EnterpriseEnrolled enterprise=en_new -> ok", {"pearl", actor_id("en_new")}),
        ("en_lotus AuthoriserKeyAdded enterprise=en_lotus -> ok", {LOTUS, "minh"}),
        (C1, {"hana", ACME}),
        (GRANTED, {"hana", ACME}),
        (C1 + "en_acme ConsentRefused consent=c1 -> ok", {"hana", ACME}),
        (GRANTED + "en_acme ConsentWithdrawn consent=c1 -> ok", {"hana", ACME}),
        (GRANTED + "+31d operator ConsentExpired consent=c1 -> ok", {"hana", ACME, "operator"}),
        (PLACED, {"hana", "pearl", ACME}),
        (PLACED + "of_pei OrderDeclined order=o1 -> ok", {"hana", "pearl", ACME}),
        (PLACED + "of_lin OrderCancelled order=o1 -> ok", {"hana", "pearl", ACME}),
        (PLACED + "+2d operator OrderLapsed order=o1 -> ok", {"hana", "pearl", ACME, "operator"}),
        (DELIVERED, {"hana", "pearl", ACME}),
        (DELIVERED + "of_lin DeliveryDisputed order=o1 -> ok", {"hana", "pearl", ACME}),
        # What a bank lends is no business of the agency that reported.
        (DELIVERED + "of_lin CreditDecided order=o1 -> ok", {"hana", ACME}),
        ("en_acme ObjectionRaised j1 holder=taxes -> ok", {ACME, "taxes"}),
        (OBJECTED, {ACME, "pearl", "hana"}),
        (
            OBJECTED + "of_pei ObjectionAnswered objection=j1 -> ok",
            {ACME, "pearl", "hana"},
        ),
        ("operator DirectoryErased subject=en_lotus -> ok", {"operator", "minh", LOTUS}),
        ("regulator DirectoryErased subject=of_lin -> ok", {"regulator", "hana"}),
        (DELIVERED + "operator ReportErased order=o1 -> ok", {"operator", "hana", "pearl", ACME}),
        (ASKED, {"regulator", "hana"}),
        (ASKED + "of_ada FindingAnswered finding=f1 -> ok", {"hana"}),
        (ASKED + "of_qi FindingClosed finding=f1 -> ok", {"regulator", "hana"}),
        (CASE, {"regulator"}),
        (APPROVED, {"regulator"}),
        (LOOKED, {"regulator"}),
        (LOOKED + "of_qi CaseClosed case=k1 -> ok", {"regulator", "hana"}),
    ],
)
def test_a_body_is_read_by_whom_it_concerns(story: str, told: set[str] | None):
    found, _ = read(story)
    assert found == told


def test_the_bodies_of_a_case_are_shown_to_the_member_once_it_is_closed():
    book, bodies = DictBook(), []
    for _, sealed, at in compose("include consortium\n" + LOOKED):
        answer = decide(book, sealed, at)
        if not isinstance(answer, Violation):
            book.put(answer)
            bodies.append(sealed.event)
    inspected = [event for event in bodies if event.type in {
        "CaseOpened", "CaseApproved", "IdentitiesResolved"
    }]  # fmt: skip
    assert len(inspected) == 3
    assert [readers(event, book) for event in inspected] == [{"regulator"}] * 3
    _, closed = read(LOOKED + "of_ren CaseClosed case=k1 -> ok")
    assert [readers(event, closed) for event in inspected] == [{"regulator", "hana"}] * 3


@pytest.mark.parametrize("name", STORIES)
def test_whoever_signs_may_read_and_no_officer_is_a_reader(name: str):
    book = DictBook()
    for line, sealed, at in compose(read_story(name)):
        answer = decide(book, sealed, at)
        if isinstance(answer, Violation):
            assert line.code != "ok"
            continue
        book.put(answer)
        found = readers(sealed.event, book)
        by = sealed.event.by
        if found is not None:
            assert (by if by.startswith("en_") else member_of(book, by)) in found
            assert not any(reader.startswith("of_") for reader in found)


def test_an_actor_speaks_for_a_member_or_for_none():
    _, book = read("")
    assert member_of(book, "hana") == "hana"
    assert member_of(book, LIN) == "hana"
    assert member_of(book, ACME) is None
    assert member_of(book, "nobody") is None
    assert member_of(book, actor_id("of_nobody")) is None
