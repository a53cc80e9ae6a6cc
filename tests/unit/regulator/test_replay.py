"""The law read a second time, by itself: entries and bodies in, records and findings out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from creditchain.events import MalformedEvent, PublicKey, b64u
from creditchain.events.codes import ErasureGround
from creditchain.events.consortium import ConsortiumFounded
from creditchain.events.enterprise import EnterpriseEnrolled
from creditchain.events.erasure import BodyErased
from creditchain.events.membership import MemberAdmitted, MemberKeyAdded, MemberWithdrawn
from creditchain.events.order import OrderLapsed
from creditchain.rulebook import DictBook
from creditchain.rulebook.record import Enterprise, Member
from creditchain.seal import Entry, format_entry, parse_entry
from regulator.finding import Finding, FindingCode, base64_text
from regulator.opening import KeysAtHand
from regulator.replay import (
    EarlierEntry,
    Opened,
    Replay,
    Stepped,
    keys_in,
    open_package,
    read_package,
)
from tests.lying_hub.honest import ORIGIN, Consortium
from tests.lying_hub.lies import (
    TOLD,
    Lie,
    backdate,
    borrow_a_key,
    forge_a_member,
    invent_a_key,
    skip_the_law,
)


class NoKeys:
    """What a process knows that has seen nothing yet, and learns nothing."""

    def find(self, owner: str, kid: str) -> PublicKey | None:
        return None

    def learn(self, key: PublicKey) -> None:
        pass


class Observed:
    """A replay of what a consortium has logged, as an observer does it."""

    def __init__(self, consortium: Consortium, **given: Any) -> None:
        log = consortium.log
        self.entries, self.bodies = list(log.entries), list(log.bodies)
        self.book = DictBook()
        self.ids: set[str] = set()
        self.types: dict[int, str | None] = {}
        self.asked: list[int] = []
        genesis = given.pop("genesis", hashlib.sha256(consortium.genesis).digest())
        self.replay = Replay(
            self.book, genesis, ORIGIN,
            is_known=self.ids.__contains__, entry_at=self.entry_at, **given,
        )  # fmt: skip

    def entry_at(self, index: int) -> EarlierEntry | None:
        self.asked.append(index)
        if index not in self.types:
            return None
        return EarlierEntry(parse_entry(self.entries[index]).commitment, self.types[index])

    def step(self, index: int, opened: Opened) -> Stepped:
        stepped = self.replay.step(index, opened, self.bodies[index])
        self.book.put(stepped.writes)
        self.types[index] = None if opened.event is None else opened.event.type
        if opened.event is not None:
            self.ids.add(opened.event.id)
        return stepped

    def steps(self, keys: Any = None, start: int = 0) -> list[Stepped]:
        opened = open_package(self.entries, self.bodies, keys or KeysAtHand())
        return [self.step(index, one) for index, one in enumerate(opened) if index >= start]


def findings(steps: Sequence[Stepped]) -> list[Finding]:
    return [stepped.finding for stepped in steps if stepped.finding is not None]


def only(steps: Sequence[Stepped]) -> Finding:
    [finding] = findings(steps)
    return finding


def lawless(consortium: Consortium, name: str, **given: Any) -> list[Stepped]:
    """The steps of an observer after the lie of this name."""
    [tell] = [lie.tell for lie in TOLD if lie.tell.__name__ == name]
    tell(consortium)
    return Observed(consortium, **given).steps()


def played(seed: int = 7, enterprises: int = 5) -> Consortium:
    consortium = Consortium(seed)
    for _ in range(enterprises):
        consortium.enrol()
    return consortium


@pytest.mark.parametrize("lie", TOLD, ids=lambda lie: lie.tell.__name__)
def test_a_lie_gives_its_finding_with_the_body_as_evidence(lie: Lie) -> None:
    consortium = played()
    index = lie.tell(consortium)
    finding = only(Observed(consortium).steps())
    assert (finding.code, finding.index, finding.certain) == (lie.code, index, True)
    assert finding.detail.startswith(lie.detail)
    if lie.code is not FindingCode.TIME_WENT_BACK:
        assert finding.evidence == {"body": base64_text(consortium.log.bodies[index])}


def test_what_stands_there_twice_is_named_by_its_id() -> None:
    consortium = played()
    consortium.log.append(consortium.at, consortium.log.bodies[9])
    first = opened_of(consortium)[9].event
    assert first is not None
    assert only(Observed(consortium).steps()).detail == first.id


def test_what_breaks_the_law_is_named_with_its_place_where_it_has_one() -> None:
    assert only(lawless(played(), "skip_the_law")).detail == "BASIS_MISSING at body.consent"
    consortium = played()
    founding = opened_of(consortium)[0].event
    assert founding is not None
    consortium.force(consortium.sealed(consortium.regulator, founding.body))
    assert only(Observed(consortium).steps()).detail == "ALREADY_FOUNDED"


def test_an_honest_log_writes_the_hubs_records_and_finds_nothing() -> None:
    consortium = Consortium(11)
    consortium.play(120)
    observed = Observed(consortium)
    steps = observed.steps()
    assert findings(steps) == []
    assert observed.replay.unseen == consortium.log.bodies.count(b"")
    assert observed.replay.last_at == parse_entry(consortium.log.entries[-1]).at
    assert observed.book.all(Enterprise) == consortium.book.all(Enterprise)
    assert observed.book.all(Member) == consortium.book.all(Member)


# Time.


def test_an_event_whose_time_went_back_is_found_and_takes_effect() -> None:
    consortium = played()
    before = parse_entry(consortium.log.entries[-1]).at
    index = backdate(consortium)
    observed = Observed(consortium)
    steps = observed.steps()
    finding = only(steps)
    assert finding == Finding(
        FindingCode.TIME_WENT_BACK, index, "1 ms", {"at": before - 1, "before": before}
    )
    assert finding.certain
    assert Enterprise in {type(record) for record in steps[index].writes}
    assert observed.replay.last_at == before


def test_the_same_millisecond_is_no_step_back() -> None:
    consortium = played()
    last_at = parse_entry(consortium.log.entries[-1]).at
    consortium.at = last_at
    consortium.enrol()
    assert findings(Observed(consortium).steps()) == []


def test_a_replay_that_goes_on_remembers_the_time_it_had_come_to() -> None:
    consortium = played()
    first_at = parse_entry(consortium.log.entries[0]).at
    finding = Observed(consortium, last_at=first_at + 5).steps()[0].finding
    assert finding is not None
    assert (finding.code, finding.detail) == (FindingCode.TIME_WENT_BACK, "5 ms")
    assert Observed(consortium).replay.last_at == 0


def test_what_is_late_and_unlawful_is_found_for_what_is_unlawful() -> None:
    consortium = played()
    sealed = consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana"), log="elsewhere")
    index = consortium.force(sealed, at=1_700_000_000_000)
    finding = only(Observed(consortium).steps())
    assert (finding.code, finding.index) == (FindingCode.WRONG_LOG, index)
    assert finding.detail == "elsewhere"


def test_a_late_entry_without_its_body_is_late_all_the_same() -> None:
    consortium = played()
    index = backdate(consortium)
    consortium.log.bodies[index] = b""
    observed = Observed(consortium)
    assert only(observed.steps()).code is FindingCode.TIME_WENT_BACK
    assert observed.replay.unseen == 1


def test_a_late_erasure_is_found_and_still_names_what_it_erased() -> None:
    consortium = played()
    last_at = parse_entry(consortium.log.entries[-1]).at
    consortium.at = last_at - 2
    index = erase(consortium, 9)
    steps = Observed(consortium).steps()
    assert only(steps).code is FindingCode.TIME_WENT_BACK
    assert steps[index].erased == 9


# The founding.


def test_a_log_that_begins_with_another_founding_is_not_ours() -> None:
    consortium = played(enterprises=0)
    steps = Observed(consortium, genesis=bytes(32)).steps()
    finding = steps[0].finding
    assert finding is not None
    assert (finding.code, finding.index, finding.certain) == (FindingCode.WRONG_GENESIS, 0, True)
    assert finding.evidence == {"body": base64_text(consortium.log.bodies[0])}
    assert finding.detail
    assert steps[0].writes == ()


# What was never seen.


def test_after_an_unseen_body_a_breach_of_the_law_is_not_certain() -> None:
    consortium = played()
    index = skip_the_law(consortium)
    consortium.log.bodies[9] = consortium.log.bodies[10] = b""
    finding = only(Observed(consortium).steps())
    assert (finding.code, finding.index, finding.certain) == (FindingCode.LAW_BROKEN, index, False)
    assert finding.evidence == {"body": base64_text(consortium.log.bodies[index]), "unseen": 2}


def test_a_replay_that_goes_on_remembers_what_it_had_not_seen() -> None:
    finding = only(lawless(played(), "skip_the_law", unseen=3))
    assert finding.evidence["unseen"] == 3
    assert Observed(played()).replay.unseen == 0


@pytest.mark.parametrize(
    ("name", "certain"),
    [
        ("forge_a_member", True),
        ("borrow_another_log", True),
        ("log_nonsense", True),
        ("log_no_proof", True),
        ("log_a_strange_entry", True),
        ("erase_another", True),
        ("backdate", True),
        ("invent_a_key", False),
        ("repeat_an_event", True),
        ("skip_the_law", False),
    ],
)
def test_bytes_speak_for_themselves_and_what_builds_on_others_does_not(
    name: str, certain: bool
) -> None:
    finding = only(lawless(played(), name, unseen=1))
    assert finding.certain is certain
    assert ("unseen" in finding.evidence) is not certain


def test_malformed_entries_and_altered_bodies_count_as_unseen() -> None:
    consortium = played()
    consortium.log.append_raw(b"hello", b"")
    consortium.log.bodies[8] = b""
    consortium.log.bodies[9] = consortium.log.bodies[9] + b" "
    observed = Observed(consortium)
    altered, malformed = findings(observed.steps())
    assert altered.detail
    assert (altered.code, altered.index) == (FindingCode.BODY_ALTERED, 9)
    assert altered.evidence == {"body": base64_text(consortium.log.bodies[9])}
    assert (malformed.code, malformed.index) == (
        FindingCode.ENTRY_MALFORMED, consortium.log.size - 1,
    )  # fmt: skip
    assert malformed.detail == error_of(b"hello")
    assert observed.replay.unseen == 3


# What came after its turn.


def late(consortium: Consortium, index: int, keys: Any = None) -> tuple[Finding | None, Observed]:
    """The judgement of a body that was not served when its entry was read."""
    observed = Observed(consortium)
    body, observed.bodies[index] = observed.bodies[index], b""
    observed.steps()
    log = consortium.log
    opened = open_package(log.entries[index : index + 1], [body], keys or KeysAtHand())[0]
    return observed.replay.judge_late(index, opened, body), observed


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("forge_a_member", FindingCode.SIGNATURE_INVALID),
        ("invent_a_key", FindingCode.KEY_UNKNOWN),
        ("borrow_another_log", FindingCode.WRONG_LOG),
        ("repeat_an_event", FindingCode.ID_REUSED),
        ("log_nonsense", FindingCode.BODY_MALFORMED),
        ("log_no_proof", FindingCode.PROOF_MALFORMED),
    ],
)
def test_a_body_that_comes_late_is_judged_for_its_form_and_its_author(
    name: str, code: FindingCode
) -> None:
    consortium = played()
    [tell] = [lie.tell for lie in TOLD if lie.tell.__name__ == name]
    index = tell(consortium)
    finding, _ = late(consortium, index)
    assert finding is not None
    assert (finding.code, finding.index) == (code, index)
    assert finding.evidence["body"] == base64_text(consortium.log.bodies[index])


def test_a_body_that_comes_late_is_not_held_to_the_law_and_takes_no_effect() -> None:
    consortium = played()
    index = skip_the_law(consortium)
    for keys in (None, NoKeys()):
        finding, observed = late(consortium, index, keys)
        assert finding is None
        assert observed.replay.unseen == 1
        assert observed.book.all(Enterprise) == consortium.book.all(Enterprise)


# Keys.


def test_a_key_that_was_not_at_hand_is_looked_for_in_the_records() -> None:
    consortium = played()
    observed = Observed(consortium)
    steps = observed.steps(NoKeys())
    assert findings(steps) == []
    assert observed.book.all(Enterprise) == consortium.book.all(Enterprise)


@pytest.mark.parametrize(
    ("tell", "code"),
    [
        (forge_a_member, FindingCode.SIGNATURE_INVALID),
        (borrow_a_key, FindingCode.KEY_UNKNOWN),
        (invent_a_key, FindingCode.KEY_UNKNOWN),
    ],
)
def test_whichever_list_a_key_comes_from_the_verdict_is_the_same(
    tell: Callable[[Consortium], int], code: FindingCode
) -> None:
    consortium = played()
    index = tell(consortium)
    for keys in (KeysAtHand(), NoKeys()):
        finding = only(Observed(consortium).steps(keys))
        assert (finding.code, finding.index, finding.detail) == (code, index, "bank-hana")


def test_a_key_is_known_from_the_entry_that_carries_it() -> None:
    consortium = played()
    new = consortium.actor("bank-hana")
    new.key = consortium.actor("another").key
    consortium.admit(consortium.bank, MemberKeyAdded("bank-hana", new.key.public))
    consortium.bank = new
    consortium.enrol()
    keys = KeysAtHand()
    opened = open_package(consortium.log.entries, consortium.log.bodies, keys)
    assert [one.fault for one in opened] == [None] * consortium.log.size
    assert opened[-1].kid == new.key.public.kid
    assert keys.find("bank-hana", new.key.public.kid) == new.key.public


def test_a_key_is_asked_for_as_that_of_the_author() -> None:
    asked: list[tuple[str, str]] = []

    class Asking(NoKeys):
        def find(self, owner: str, kid: str) -> PublicKey | None:
            asked.append((owner, kid))
            return None

    consortium = played(enterprises=1)
    open_package(consortium.log.entries[-1:], consortium.log.bodies[-1:], Asking())
    assert asked == [("bank-hana", consortium.bank.key.public.kid)]


def test_only_signing_keys_are_taken_from_an_event() -> None:
    consortium = played(enterprises=1)
    sealed = {type(one.event.body): one.event for one in opened_of(consortium) if one.event}
    founding = consortium.log.bodies[0]
    assert founding == consortium.genesis
    founded = sealed[ConsortiumFounded]
    assert list(keys_in(founded)) == [
        consortium.regulator.key.public, consortium.operator.key.public,
    ]  # fmt: skip
    # The bank has added a key to seal with.
    added = sealed[MemberKeyAdded]
    assert isinstance(added.body, MemberKeyAdded)
    assert added.body.key == consortium.seal_key.public
    assert list(keys_in(added)) == []
    enrolled = sealed[EnterpriseEnrolled]
    assert list(keys_in(enrolled)) == [consortium.enterprises[0].key.public]
    assert list(keys_in(replace(enrolled, body=OrderLapsed(enrolled.id)))) == []


# Erasures.


def erase(consortium: Consortium, index: int, commitment: str | None = None) -> int:
    """An erasure of the body at `index`, whether lawful or not; its own index."""
    if commitment is None:
        commitment = b64u(parse_entry(consortium.log.entries[index]).commitment)
    body = BodyErased(index, commitment, ErasureGround.COURT_ORDER)
    return consortium.force(consortium.sealed(consortium.operator, body))


def test_a_lawful_erasure_names_what_it_erased() -> None:
    consortium = played()
    index = erase(consortium, 9)
    observed = Observed(consortium)
    steps = observed.steps()
    assert findings(steps) == []
    assert [step.erased for step in steps if step.erased is not None] == [9]
    assert steps[index].erased == 9
    assert observed.asked == [9]


def test_what_was_never_seen_may_be_erased() -> None:
    consortium = played()
    index = erase(consortium, 9)
    consortium.log.bodies[9] = b""
    steps = Observed(consortium).steps()
    assert findings(steps) == []
    assert steps[index].erased == 9


@pytest.mark.parametrize("ahead", [0, 1, 1_000])
def test_an_erasure_of_itself_or_of_what_is_to_come_erases_nothing(ahead: int) -> None:
    consortium = played()
    digest = b64u(hashlib.sha256(b"to come").digest())
    index = erase(consortium, consortium.log.size + ahead, digest)
    observed = Observed(consortium)
    # Even where something stands there already, as in a replay of a part.
    observed.types[index + ahead] = None
    steps = observed.steps()
    finding = only(steps)
    assert (finding.code, finding.detail) == (FindingCode.ERASURE_MISMATCH, str(index + ahead))
    assert steps[index] == Stepped((), finding, None)
    assert observed.asked == []


def test_an_erasure_of_what_nobody_has_erases_nothing() -> None:
    consortium = played()
    index = erase(consortium, 9)
    observed = Observed(consortium)
    opened = opened_of(consortium)
    for at, one in enumerate(opened[:index]):
        observed.step(at, one)
    observed.types.clear()
    finding = observed.step(index, opened[index]).finding
    assert finding is not None
    assert finding.code is FindingCode.ERASURE_MISMATCH


def test_a_members_admission_is_never_erased() -> None:
    consortium = played()
    admitted = next(
        index for index, one in enumerate(opened_of(consortium))
        if one.event is not None and isinstance(one.event.body, MemberAdmitted)
    )  # fmt: skip
    erase(consortium, admitted)
    finding = only(Observed(consortium).steps())
    assert (finding.code, finding.detail) == (FindingCode.ERASURE_MISMATCH, str(admitted))


# Entries and bodies, each by itself.


def opened_of(consortium: Consortium) -> list[Opened]:
    return open_package(consortium.log.entries, consortium.log.bodies, KeysAtHand())


def error_of(entry: bytes) -> str:
    with pytest.raises(MalformedEvent) as caught:
        parse_entry(entry)
    return str(caught.value)


def test_an_opened_entry_says_what_is_known_of_it_and_no_more() -> None:
    consortium = played()
    forge_a_member(consortium)
    invent_a_key(consortium)
    log = consortium.log
    log.append_raw(b"hello", b"")
    log.append(consortium.at, b"{}")
    log.bodies[8] = b""
    log.bodies[9] = b"other"
    opened = opened_of(consortium)
    at, commitment = parse_entry(log.entries[8]).at, parse_entry(log.entries[8]).commitment
    assert opened[8] == Opened(at, commitment, None, None, None, "")
    at, commitment = parse_entry(log.entries[9]).at, parse_entry(log.entries[9]).commitment
    assert opened[9] == Opened(at, commitment, None, None, FindingCode.BODY_ALTERED, "")
    nonsense, strange, invented, forged = opened[-1], opened[-2], opened[-3], opened[-4]
    assert strange == Opened(None, b"", None, None, FindingCode.ENTRY_MALFORMED, error_of(b"hello"))
    assert nonsense.at == consortium.at
    assert nonsense.commitment == hashlib.sha256(b"{}").digest()
    assert (nonsense.event, nonsense.kid, nonsense.fault) == (
        None, None, FindingCode.BODY_MALFORMED,
    )  # fmt: skip
    assert "event and proof" in nonsense.detail
    for one, fault in ((invented, "KEY_UNKNOWN"), (forged, "SIGNATURE_INVALID")):
        assert one.event is not None
        assert one.event.body == MemberWithdrawn("bank-hana")
        assert (one.kid, one.fault, one.detail) == (None, fault, "")
    good = opened[10]
    assert good.event is not None
    assert good.event.by == "bank-hana"
    assert (good.kid, good.fault, good.detail) == (consortium.bank.key.public.kid, None, "")


def test_a_package_may_be_read_before_its_signatures_are_verified() -> None:
    consortium = played()
    forge_a_member(consortium)
    read = read_package(consortium.log.entries, consortium.log.bodies, KeysAtHand())
    claims = [claim for _, claim in read]
    assert all(claim is not None for claim in claims)
    assert [claim.holds() for claim in claims if claim is not None] == (
        [True] * (consortium.log.size - 1) + [False]
    )
    forged = read[-1][0]
    assert (forged.fault, forged.kid) == (None, consortium.bank.key.public.kid)
    assert forged.forged() == opened_of(consortium)[-1]


def test_each_entry_has_a_body_or_the_package_is_our_mistake() -> None:
    consortium = played()
    for entries, bodies in (
        (consortium.log.entries[:-1], consortium.log.bodies),
        (consortium.log.entries, consortium.log.bodies[:-1]),
    ):
        with pytest.raises(ValueError, match="argument"):
            open_package(entries, bodies, KeysAtHand())


ENTRY = format_entry(Entry(1_750_000_000_123, hashlib.sha256(b"body").digest()))


def test_an_entry_in_its_one_spelling_is_read() -> None:
    assert parse_entry(ENTRY) == Entry(1_750_000_000_123, hashlib.sha256(b"body").digest())


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"{}",
        ENTRY[:-1],
        ENTRY + b" ",
        ENTRY.replace(b'"at":', b'"at": '),
        ENTRY.replace(b"2025-06-15", b"2025-06-31"),
        ENTRY.replace(b"2025-06-15", b"2025-13-15"),
        ENTRY.replace(b".123Z", b".12ZZ"),
        ENTRY[:-3] + bytes([ENTRY[-3] + 1]) + ENTRY[-2:],
        ENTRY[:-6] + ENTRY[-2:],
    ],
)
def test_an_entry_in_another_spelling_is_malformed(entry: bytes) -> None:
    assert entry != ENTRY
    with pytest.raises(MalformedEvent) as malformed:
        parse_entry(entry)
    assert malformed.value.path == ""
