"""Edges of the law that a story tells badly: times to the millisecond, and keys."""

from dataclasses import replace

import pytest

from creditchain.events.codes import RevocationReason
from creditchain.rulebook import DictBook, Refusal, Violation, Writes, decide, find_key
from creditchain.rulebook.membership import revoke
from creditchain.rulebook.record import Consent, Key, Member, Order
from creditchain.seal import BadSeal, Sealed, SealFault, unseal
from fixtures.stories import read_story
from fixtures.stories.story import START, compose, event_id, public_key

SETTING = "include consortium\n of_lin ConsentRequested c1 -> ok\n"
GRANTED = SETTING + " en_acme ConsentGranted consent=c1 -> ok\n"
PLACED = GRANTED + " of_lin OrderPlaced o1 consent=c1 -> ok\n"
ACCEPTED = PLACED + " of_pei OrderAccepted order=o1 -> ok\n"


def book_of(story: str) -> DictBook:
    book = DictBook()
    for line, sealed, at in compose(story):
        answer = decide(book, sealed, at)
        assert isinstance(answer, Violation) == (line.code != "ok"), line.where
        if not isinstance(answer, Violation):
            book.put(answer)
    return book


def last(story: str) -> tuple[DictBook, Sealed]:
    """The book before the story's last line, and that line's event."""
    *lines, _ = story.strip().splitlines()
    (*_, (_, sealed, _)) = compose(story)
    return book_of("\n".join(lines)), sealed


def answer_at(book: DictBook, sealed: Sealed, at: int) -> Writes | Violation:
    """The answer if the signer's clock agreed with the admission time."""
    event = replace(sealed.event, signed_at=at)
    return decide(book, replace(sealed, event=event), at)


def code_of(answer: Writes | Violation) -> Refusal | None:
    return answer.code if isinstance(answer, Violation) else None


@pytest.mark.parametrize(
    ("skew", "told"),
    [
        (-300_001, Refusal.CLOCK_SKEW),
        (-300_000, None),
        (300_000, None),
        (300_001, Refusal.CLOCK_SKEW),
    ],
)
def test_five_minutes_of_skew_and_not_a_millisecond_more(skew: int, told: Refusal | None):
    book, sealed = last(GRANTED)
    assert code_of(decide(book, sealed, sealed.event.signed_at - skew)) is told


def test_a_consent_counts_from_its_first_to_before_its_last_moment():
    book, order = last(PLACED)
    consent = book.get(Consent, event_id("c1"))
    assert consent is not None
    start, end = consent.terms.valid_from, consent.terms.valid_until
    assert code_of(answer_at(book, order, start - 1)) is Refusal.CONSENT_NOT_YET_VALID
    assert code_of(answer_at(book, order, start)) is None
    assert code_of(answer_at(book, order, end - 1)) is None
    assert code_of(answer_at(book, order, end)) is Refusal.CONSENT_EXPIRED


def test_an_order_is_due_at_one_moment():
    book, delivery = last(ACCEPTED + " of_pei ReportDelivered order=o1 -> ok\n")
    _, lapse = last(ACCEPTED + " operator OrderLapsed order=o1 -> ok\n")
    order = book.get(Order, event_id("o1"))
    assert order is not None
    assert code_of(answer_at(book, delivery, order.due_at - 1)) is None
    assert code_of(answer_at(book, lapse, order.due_at - 1)) is Refusal.ORDER_NOT_DUE
    assert code_of(answer_at(book, delivery, order.due_at)) is Refusal.ORDER_OVERDUE
    assert code_of(answer_at(book, lapse, order.due_at)) is None


def test_a_key_signs_until_before_it_expires():
    story = (
        "include consortium\n hana OfficerAppointed officer=of_x roles=ORDER expiresAt=+1d -> ok\n"
    )
    book, request = last(story + " of_x ConsentRequested terms.validUntil=+9d -> ok\n")
    (key,) = [key for key in book.all(Key) if key.expires_at is not None]
    assert key.expires_at is not None
    assert code_of(answer_at(book, request, key.expires_at - 1)) is None
    assert code_of(answer_at(book, request, key.expires_at)) is Refusal.KEY_EXPIRED


def test_a_key_does_not_count_from_the_moment_it_is_revoked():
    book, request = last(SETTING)
    key = book.get(Key, f"{request.event.by}/{request.kid}")
    assert key is not None
    book.put((replace(key, revoked_at=START, expires_at=None),))
    assert code_of(answer_at(book, request, START + 1)) is Refusal.KEY_REVOKED


def test_a_key_is_revoked_once_and_may_prove_compromised_once():
    key = Key("hana/x", "hana", "x", public_key("hana#0"), added_at=1)
    gone = revoke(key, RevocationReason.SUPERSEDED, None, 10)
    assert gone == replace(key, revoked_at=10)
    assert revoke(gone, RevocationReason.SUPERSEDED, 5, 20) is None
    assert revoke(gone, RevocationReason.COMPROMISED, None, 20) is None
    found_out = revoke(gone, RevocationReason.COMPROMISED, 5, 20)
    assert found_out == replace(key, revoked_at=10, compromised_since=5)
    assert revoke(found_out, RevocationReason.COMPROMISED, 3, 30) is None


def test_a_key_is_live_from_its_adding_to_its_end():
    key = Key("hana/x", "hana", "x", public_key("hana#0"), added_at=10, expires_at=20)
    assert [key.is_live(at) for at in (9, 10, 19, 20)] == [False, True, True, False]
    assert not replace(key, revoked_at=15).is_live(15)


def test_the_founding_brings_its_own_key_and_nobody_elses():
    (_, founding, _) = next(e for e in compose(read_story("consortium")) if e[0].code == "ok")
    book = DictBook()
    assert unseal(founding.body, find_key(book)) == founding
    by_another = replace(founding.event, by="operator")
    assert find_key(book)(by_another, founding.kid) is None
    assert find_key(book)(founding.event, public_key("operator#0").kid) is None


def test_recorded_keys_are_found_live_or_not_and_only_their_owners():
    book, request = last(SETTING)
    find = find_key(book)
    assert unseal(request.body, find) == request
    key = book.get(Key, f"{request.event.by}/{request.kid}")
    assert key is not None
    book.put((replace(key, revoked_at=START),))
    assert unseal(request.body, find) == request
    assert find(replace(request.event, by="hana"), request.kid) is None
    assert find(request.event, public_key("hana#0").kid) is None


def test_a_key_to_seal_to_is_not_found_to_sign_with():
    book, request = last(SETTING)
    event = replace(request.event, by="hana")
    kid = public_key("hana#0:seal").kid
    assert book.get(Key, f"hana/{kid}") is not None
    assert find_key(book)(event, kid) is None
    with pytest.raises(BadSeal) as caught:
        unseal(request.body, lambda _event, _kid: None)
    assert caught.value.fault is SealFault.KEY_UNKNOWN


def test_the_due_time_of_a_lawful_order_runs_anew_from_its_approval():
    story = (
        "include consortium\n of_lin OrderPlaced o1 ground.code=STATUTE ground.document=x -> ok\n"
    )
    before = book_of(story).get(Order, event_id("o1"))
    after = book_of(story + "+1d of_wu OrderApproved order=o1 -> ok\n").get(Order, event_id("o1"))
    assert before is not None
    assert after is not None
    assert after.due_at - before.due_at == 86_400_000
    assert after.due_at - after.changed_at == before.due_at - before.placed_at


def test_what_becomes_of_a_use():
    consents = {
        story: book_of(PLACED + story).get(Consent, event_id("c1"))
        for story in (
            "",
            " of_pei OrderDeclined order=o1 -> ok\n",
            " of_lin OrderCancelled order=o1 -> ok\n",
            "+2d operator OrderLapsed order=o1 -> ok\n",
        )
    }
    assert [consent and consent.uses for consent in consents.values()] == [1, 0, 1, 0]


def test_a_rule_that_forgets_a_record_is_refused_not_crashed():
    """A book with holes, as a damaged store might give, never makes a rule raise."""
    book, delivery = last(ACCEPTED + " of_pei ReportDelivered order=o1 -> ok\n")
    at = START + 60_000
    for hole in [r for r in book._records.values() if not isinstance(r, Member | Key)]:
        holed = DictBook()
        holed.put(r for r in book._records.values() if r is not hole)
        answer_at(holed, delivery, at)
