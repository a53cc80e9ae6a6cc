"""The law: complete tables, one order of precedence, no side effects, one answer everywhere."""

import ast
import inspect
import itertools
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditchain.events import EVENTS
from creditchain.events.consortium import ConsortiumFounded
from creditchain.rulebook import (
    RULEBOOKS,
    RULES,
    WHILE_SUSPENDED,
    DictBook,
    Refusal,
    Violation,
    consortium,
    decide,
    law,
    rule,
)
from creditchain.rulebook.book import R
from creditchain.rulebook.record import (
    Consent,
    Consortium,
    Member,
    Order,
    OrderStatus,
    Record,
    Standing,
)
from creditchain.rulebook.record_json import record_from_json, record_to_json
from creditchain.seal import Sealed
from fixtures.stories import STORIES, BookReader, StoryFailed, read_story, run_story
from fixtures.stories.story import compose

ORDER_OF_CODES = {code: position for position, code in enumerate(Refusal)}


# The tables.


def test_every_event_type_has_a_rule():
    assert set(EVENTS.values()) - RULES.keys() == {ConsortiumFounded}


def test_every_version_is_a_table_and_the_first_is_in_force_from_the_founding():
    assert RULEBOOKS == {1: RULES}


def test_every_rule_can_be_spoken_by_somebody():
    for type_, line in RULES.items():
        assert line.voices, type_
        assert line.kinds, type_


def test_a_suspended_member_may_do_these_and_no_others():
    assert {type_.__name__ for type_ in WHILE_SUSPENDED} == {
        "MemberWithdrawn",
        "MemberKeyRevoked",
        "OfficerDismissed",
        "AuthoriserKeyRevoked",
        "OrderCancelled",
        "DeliveryAcknowledged",
        "DeliveryDisputed",
        "ObjectionAnswered",
        "FindingAnswered",
    }


# Precedence, in the text of the rules: each looks for its faults in the order of the codes.


def codes_in(function: Callable[..., Any], skip: frozenset[str] = frozenset()) -> Iterator[Refusal]:
    """The codes that a function can answer, in the order it looks for them, calls followed."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    names = cast("FunctionType", function).__globals__

    def visit(node: ast.AST) -> Iterator[Refusal]:
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Refusal":
            yield Refusal(node.attr)
        # Statuses exclude each other, so of a table of codes by status only the first place counts.
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "_NOT_STANDING":
            yield min(names["_NOT_STANDING"].values(), key=ORDER_OF_CODES.__getitem__)
        else:
            for child in ast.iter_child_nodes(node):
                yield from visit(child)
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id not in skip:
                target = names.get(called.id)
                if isinstance(target, FunctionType) and "rulebook" in target.__module__:
                    yield from codes_in(target)

    return visit(tree)


RULE_FUNCTIONS = {line.decide.__qualname__ + "/" + t.__name__: line for t, line in RULES.items()}


@pytest.mark.parametrize("name", sorted(RULE_FUNCTIONS))
def test_a_rule_looks_for_faults_in_the_order_of_the_codes(name: str):
    codes = list(codes_in(RULE_FUNCTIONS[name].decide))
    # What is not there has no other faults, so looking up the event's subject may come first.
    if codes and codes[0].endswith("_UNKNOWN"):
        codes = codes[1:]
    positions = [ORDER_OF_CODES[code] for code in codes]
    assert positions == sorted(positions), codes


def test_what_every_event_must_satisfy_is_asked_in_the_order_of_the_codes():
    asked = list(codes_in(decide, skip=frozenset({"_decide_founding"})))
    # An enterprise has no standing: it is asked for its role first, and has nothing else to ask.
    asked.remove(Refusal.ROLE_MISSING)
    # Leaving is for good, so a member is never suspended and withdrawn at once.
    asked.remove(Refusal.MEMBER_WITHDRAWN)
    assert asked == sorted(asked, key=ORDER_OF_CODES.__getitem__)
    founding = list(codes_in(law._decide_founding))[1:] + list(codes_in(consortium.found))[1:]
    assert founding == sorted(founding, key=ORDER_OF_CODES.__getitem__)


def test_no_rule_answers_a_code_of_the_door():
    door = list(Refusal)[: list(Refusal).index(Refusal.NOT_FOUNDED)]
    for name, line in RULE_FUNCTIONS.items():
        assert not set(codes_in(line.decide)) & set(door), name


# Precedence, in what is answered: faults that can be made independently, all pairs and all at once.

FAULTS: dict[Refusal, str] = {
    Refusal.WRONG_LOG: "@log=stories.example/2",
    Refusal.CLOCK_SKEW: "@signed=-1h",
    Refusal.ROLE_MISSING: "",
    Refusal.ENTERPRISE_UNKNOWN: "enterprise=en_nobody",
    Refusal.PRODUCT_UNKNOWN: "product=pearl/none",
    Refusal.CONSENT_PURPOSE: "purpose=OTHER",
    Refusal.CONSENT_SECTION: "sections=LOANS,RATINGS",
    Refusal.BASIS_DOUBLE: "ground.code=COURT ground.document=writ",
    Refusal.SEAL_KEY_UNKNOWN: "sealTo=minh#0:seal",
}
SETTING = """include consortium
    of_lin     ConsentRequested c1   -> ok
    en_acme    ConsentGranted consent=c1   -> ok
"""


@pytest.mark.parametrize(
    "faults",
    [*itertools.combinations(FAULTS, 1), *itertools.combinations(FAULTS, 2), tuple(FAULTS)],
    ids="+".join,
)
def test_of_several_faults_the_first_code_is_told(faults: tuple[Refusal, ...]):
    signer = "of_ada" if Refusal.ROLE_MISSING in faults else "of_lin"
    said = " ".join(FAULTS[fault] for fault in faults)
    first = min(faults, key=ORDER_OF_CODES.__getitem__)
    run_story(f"{SETTING}    {signer} OrderPlaced consent=c1 {said} -> {first}", BookReader)


HANA_1 = "hana MemberKeyAdded member=hana key=hana#1 expiresAt=+1h -> ok\n"
HANA_1_REVOKED = HANA_1 + "hana MemberKeyRevoked member=hana key=hana#1 -> ok\n"
SUSPENDED = "regulator MemberSuspended member=hana -> ok\n"
LEFT = SUSPENDED + "regulator MemberWithdrawn member=hana -> ok\n"
DISMISSED = "hana OfficerDismissed officer=of_lin -> ok\n"


@pytest.mark.parametrize(
    ("before", "line", "told"),
    [
        # A second founding is told so before anything about its clock or its version.
        ("", "regulator ConsortiumFounded @signed=-1h rulebook=9", "ALREADY_FOUNDED"),
        ("", "regulator ConsortiumFounded @log=other.example", "WRONG_LOG"),
        ("", "nobody MemberWithdrawn member=nobody @signed=-1h", "CLOCK_SKEW"),
        ("", "of_lin#1 ConsentRequested @signed=-1h", "KEY_UNKNOWN"),
        ("", "of_lin RulebookAdopted version=9", "RULEBOOK_UNKNOWN"),
        # An expired key that was revoked has expired.
        (HANA_1_REVOKED, "+1h hana#1 MemberSuspended member=hana", "KEY_EXPIRED"),
        (HANA_1_REVOKED + SUSPENDED, "hana#1 MemberSuspended member=minh", "KEY_REVOKED"),
        # A dismissed officer of a suspended member, out of its role.
        (DISMISSED + SUSPENDED, "of_lin MemberSuspended member=minh", "OFFICER_DISMISSED"),
        (SUSPENDED, "of_lin MemberSuspended member=minh", "MEMBER_SUSPENDED"),
        (LEFT, "of_lin DeliveryDisputed order=nowhere", "MEMBER_WITHDRAWN"),
    ],
)
def test_what_is_wrong_with_the_signer_is_told_in_order(before: str, line: str, told: str):
    run_story(f"{SETTING}{before}\n{line} -> {told}", BookReader)


# Purity.


class JsonBook:
    """A book of another make: every record is text, and every `get` a new object."""

    def __init__(self) -> None:
        self.texts: dict[tuple[type[Any], str], str] = {}

    def get(self, kind: type[R], id: str) -> R | None:
        text = self.texts.get((kind, id))
        return None if text is None else record_from_json(kind, json.loads(text))

    def put(self, writes: tuple[Record, ...]) -> None:
        for record in writes:
            self.texts[type(record), record.id] = json.dumps(record_to_json(record))


FOUNDING = [(sealed, at) for _, sealed, at in compose(read_story("consortium"))]
FOUNDED = len(FOUNDING)


@pytest.mark.parametrize("name", STORIES)
def test_two_books_give_the_same_answers(name: str):
    one, other = DictBook(), JsonBook()
    for _, sealed, at in compose(read_story(name)):
        answer = decide(one, sealed, at)
        assert decide(other, sealed, at) == answer
        if not isinstance(answer, Violation):
            one.put(answer)
            other.put(answer)


@settings(max_examples=40)
@given(st.sampled_from(STORIES), st.data())
def test_a_story_in_disorder_gives_one_answer_and_sound_books(name: str, data: st.DataObject):
    """Events dropped, moved and come late: two books agree, nothing is mutated, and what must hold
    of records holds."""
    told = [(sealed, at) for _, sealed, at in compose(read_story(name))][FOUNDED:]
    for _ in range(data.draw(st.integers(0, min(12, len(told))))):
        moved = told.pop(data.draw(st.integers(0, len(told) - 1)))
        if data.draw(st.booleans()):
            told.insert(data.draw(st.integers(0, len(told))), moved)
    one, other = DictBook(), JsonBook()
    now = 0
    for sealed, at in [*FOUNDING, *unique(told)]:
        now = max(now, at)
        # Moved events are signed anew for their new time, or all would be skewed.
        event = replace(sealed.event, signed_at=now)
        before = dict(other.texts)
        answer = decide(other, replace(sealed, event=event), now)
        assert other.texts == before
        assert decide(one, replace(sealed, event=event), now) == answer
        if not isinstance(answer, Violation):
            one.put(answer)
            other.put(answer)
    check_sound(one)


def unique(told: list[tuple[Sealed, int]]) -> list[tuple[Sealed, int]]:
    """Each event id once, as the ledger sees to."""
    return list({sealed.event.id: (sealed, at) for sealed, at in told}.values())


def test_after_every_story_the_books_are_sound():
    for name in STORIES:
        book = DictBook()
        for _, sealed, at in compose(read_story(name)):
            answer = decide(book, sealed, at)
            if not isinstance(answer, Violation):
                book.put(answer)
        check_sound(book)


def check_sound(book: DictBook) -> None:
    """What holds of any book that the law has written."""
    orders = book.all(Order)
    free = {OrderStatus.DECLINED, OrderStatus.LAPSED}
    used = Counter(order.consent for order in orders if order.status not in free)
    for consent in book.all(Consent):
        assert consent.uses == used[consent.id]
        assert 0 <= consent.uses <= consent.terms.uses_max
    for order in orders:
        assert (order.consent is None) != (order.ground is None)
        assert order.delivered_at is None or (order.accepted_at or 0) <= order.delivered_at
        assert (order.delivered_at is None) == (order.outcome is None)
        assert order.decision is None or order.delivered_at is not None
        assert order.approved_by != order.officer
        if order.consent is not None:
            terms = book.get(Consent, order.consent)
            assert terms is not None
            assert terms.grantee == order.orderer
            assert set(order.sections) <= set(terms.terms.sections)
    (founded,) = book.all(Consortium)
    for member_id in (founded.regulator, founded.operator):
        member = book.get(Member, member_id)
        assert member is not None
        assert member.standing is Standing.ACTIVE


def test_a_refused_event_changes_nothing():
    played = run_story(read_story("orders"), BookReader)
    book = DictBook()
    for event in played:
        if event.refusal is None:
            answer = decide(book, event.sealed, event.at)
            assert not isinstance(answer, Violation)
            book.put(answer)
    again = BookReader()
    for event in played:
        again.apply(event.sealed, event.at)
    assert again.book._records == book._records


def test_deciding_twice_is_deciding_once():
    book = DictBook()
    for _, sealed, at in compose(read_story("deliveries")):
        first, second = decide(book, sealed, at), decide(book, sealed, at)
        assert first == second
        if not isinstance(first, Violation):
            book.put(first)


def test_a_law_that_was_not_followed_shows_in_replay():
    """Leaving out one admitted event leads another reader to another answer."""
    lines = read_story("orders").splitlines()
    without = [line for line in lines if "ConsentGranted consent=c1" not in line]
    assert len(without) == len(lines) - 1
    with pytest.raises(StoryFailed):
        run_story("\n".join(without), BookReader)


def test_rules_import_no_clock_and_no_chance():
    for module in vars(law).values():
        if isinstance(module, ModuleType):
            assert module.__name__.startswith("creditchain.rulebook")
    assert rule.SKEW_MS == 300_000
