"""Orders and deliveries that a consent does not cover, and reports that are not what they say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from creditchain.client.client import HubFailure
from creditchain.client.fresh import fresh_salt
from creditchain.client.hpke import seal_report
from creditchain.client.keys import HPKE_X25519, generate_key
from creditchain.client.opening import open_delivery, ordered_of
from creditchain.client.record_store import RecordStore
from creditchain.client.records import Record
from creditchain.client.report import (
    BadReport,
    BuiltReport,
    CitedRecord,
    CommittedBatch,
    build_report,
)
from creditchain.client.signer import now_ms
from creditchain.events import b64u
from creditchain.events.codes import DisputeCode, Purpose, Section
from creditchain.events.consent import ConsentGranted, ConsentRequested, ConsentWithdrawn
from creditchain.events.order import (
    DeliveryAcknowledged,
    DeliveryDisputed,
    OrderAccepted,
)
from creditchain.rulebook.refusal import Refusal
from fixtures.demo.stage import Cast
from tests.e2e.faults.small_stage import (
    AGENCY,
    BANK,
    CONSORTIUM,
    DAY_MS,
    ENTERPRISE,
    ENTERPRISES,
    ORDERING,
    OTHER_BANK,
    OTHER_PRODUCT,
    WORKER,
    SmallStage,
    accepted,
    consent,
    delivery,
    order,
    refused,
    row_of,
    say,
    terms,
)

HOUR_MS = 3_600_000
SEALING = CONSORTIUM.members[BANK].sealing_key


@pytest.fixture
async def cast(stage: SmallStage) -> AsyncIterator[Cast]:
    """A client for each actor."""
    async with stage.cast() as opened:
        yield opened


# What a consent allows.

BEYOND: dict[str, tuple[dict[str, Any], Refusal]] = {
    "another purpose": ({"purpose": Purpose.GUARANTEE_REVIEW}, Refusal.CONSENT_PURPOSE),
    "another agency": ({"product": OTHER_PRODUCT}, Refusal.CONSENT_AGENCY),
    "another section": (
        {"sections": (Section.CAPITAL_AND_INVESTORS, Section.IDENTITY)},
        Refusal.CONSENT_SECTION,
    ),
    "another enterprise": ({"enterprise": ENTERPRISES[1].id}, Refusal.CONSENT_NOT_FOR_SUBJECT),
    "no consent": ({"consent": None}, Refusal.BASIS_MISSING),
}


@pytest.mark.parametrize("kind", BEYOND)
async def test_a_consent_allows_nothing_beyond_its_terms(cast: Cast, kind: str):
    changes, code = BEYOND[kind]
    given = await consent(cast)
    assert (await refused(cast, ORDERING, order(given, **changes)))[0] is code
    await say(cast, ORDERING, order(given))


async def test_a_consent_given_to_another_bank_allows_nothing(cast: Cast):
    given = await consent(cast)
    theirs = order(given, seal_to=CONSORTIUM.members[OTHER_BANK].sealing_key.kid)
    code, _ = await refused(cast, f"{OTHER_BANK}/order-1", theirs)
    assert code is Refusal.CONSENT_NOT_FOR_ORDERER


async def test_a_consent_is_exhausted_after_its_uses(cast: Cast):
    given = await consent(cast, uses_max=1)
    await say(cast, ORDERING, order(given))
    assert (await refused(cast, ORDERING, order(given)))[0] is Refusal.CONSENT_EXHAUSTED


async def test_a_consent_is_not_valid_before_its_window(cast: Cast):
    given = await consent(cast, valid_from=now_ms() + HOUR_MS)
    assert (await refused(cast, ORDERING, order(given)))[0] is Refusal.CONSENT_NOT_YET_VALID


async def test_a_request_that_was_not_granted_allows_nothing(cast: Cast):
    asked = await say(cast, ORDERING, ConsentRequested(ENTERPRISE.id, terms()))
    assert (await refused(cast, ORDERING, order(asked)))[0] is Refusal.CONSENT_NOT_GRANTED


async def test_a_grant_never_widens_what_was_requested(cast: Cast):
    agreed = terms()
    asked = await say(cast, ORDERING, ConsentRequested(ENTERPRISE.id, agreed))
    wider = replace(agreed, valid_until=agreed.valid_until + DAY_MS)
    code, _ = await refused(cast, ENTERPRISE.id, ConsentGranted(asked, wider))
    assert code is Refusal.TERMS_WIDENED


async def test_a_consent_withdrawn_between_accept_and_delivery_refuses_the_delivery(cast: Cast):
    given = await consent(cast)
    served = await accepted(cast, given)
    waiting = await say(cast, ORDERING, order(given))
    await say(cast, ENTERPRISE.id, ConsentWithdrawn(given))
    report = b"sealed, too late"
    worker = await cast.of(WORKER)
    await worker.upload_report(served, report)
    code, _ = await refused(cast, WORKER, delivery(served, report))
    assert code is Refusal.CONSENT_WITHDRAWN
    assert (await refused(cast, WORKER, OrderAccepted(waiting)))[0] is Refusal.CONSENT_WITHDRAWN
    assert (await refused(cast, ORDERING, order(given)))[0] is Refusal.CONSENT_WITHDRAWN
    with pytest.raises(HubFailure, match="No such report"):
        await (await cast.of(ORDERING)).download_report(served)


# Reports that are not what they say.


async def test_a_report_said_to_be_sealed_to_another_key_is_refused(cast: Cast):
    served = await accepted(cast, await consent(cast))
    report = b"sealed to somebody else"
    await (await cast.of(WORKER)).upload_report(served, report)
    other = delivery(served, report, sealed_to=CONSORTIUM.members[OTHER_BANK].sealing_key.kid)
    code, path = await refused(cast, WORKER, other)
    assert (code, path) == (Refusal.DELIVERY_WRONG_KEY, "body.report.sealedTo")


async def test_an_order_names_only_a_live_key_of_its_orderer_to_seal_to(cast: Cast):
    given = await consent(cast)
    for key in (CONSORTIUM.members[OTHER_BANK].sealing_key, generate_key(HPKE_X25519)):
        code, _ = await refused(cast, ORDERING, order(given, seal_to=key.kid))
        assert code is Refusal.SEAL_KEY_UNKNOWN


async def test_a_report_that_was_not_uploaded_as_stated_is_not_delivered(cast: Cast):
    served = await accepted(cast, await consent(cast))
    worker = await cast.of(WORKER)
    stated = delivery(served, b"never uploaded")
    with pytest.raises(HubFailure) as failure:
        await worker.submit(stated)
    assert failure.value.code == "REPORT_NOT_UPLOADED"
    await worker.upload_report(served, b"something else")
    with pytest.raises(HubFailure) as failure:
        await worker.submit(stated)
    assert failure.value.code == "REPORT_NOT_UPLOADED"
    await worker.upload_report(served, b"never uploaded")
    await worker.submit(stated)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordStore]:
    """What the agency holds, with salts and tree."""
    opened = RecordStore(tmp_path_factory.mktemp("agency") / "records.db")
    yield opened
    opened.close()


async def built(cast: Cast, store: RecordStore, served: str) -> BuiltReport:
    """A report of one line, out of a committed batch, on an accepted order."""
    row = {"name": ENTERPRISE.name, "uscc": ENTERPRISE.uscc}
    record = Record(ENTERPRISE.id, Section.IDENTITY, row)
    worker, orderer = await cast.of(WORKER), await cast.of(ORDERING)
    batch = store.add([record], now_ms() - HOUR_MS)
    receipt = await worker.submit(worker.signer.seal(batch.event(), id=batch.id))
    store.mark_committed(batch.id, receipt.index)
    [path] = store.prove(batch, [0])
    [held] = [
        held for held in store.find(ENTERPRISE.id, Section.IDENTITY) if held.batch == batch.id
    ]
    committed = CommittedBatch(
        batch.id, AGENCY, batch.root, batch.count, batch.sections, batch.as_of
    )
    ordered = ordered_of(orderer.trust.origin, await orderer.ask("Order", id=served))
    line = CitedRecord(record, held.salt, batch.id, 0, path)
    lines = {Section.IDENTITY: (line,)}
    return build_report(ordered, lines, {}, {batch.id: committed}, (), now_ms())


async def test_a_report_sealed_to_another_key_cannot_be_opened_and_is_disputed(
    cast: Cast, store: RecordStore
):
    served = await accepted(cast, await consent(cast))
    report = await built(cast, store, served)
    sealed = seal_report(report.plaintext, generate_key(HPKE_X25519).public, served)
    worker, officer = await cast.of(WORKER), await cast.of(ORDERING)
    await worker.upload_report(served, sealed)
    await worker.submit(report.delivery(sealed, SEALING.kid))
    with pytest.raises(BadReport) as found:
        await open_delivery(officer, served, SEALING)
    assert (found.value.code, found.value.opened) == (DisputeCode.UNREADABLE, None)
    await officer.submit(DeliveryDisputed(served, found.value.code))
    assert (await officer.ask("Order", id=served))["status"] == "DISPUTED"


async def test_a_report_with_a_wrong_fingerprint_is_disputed_with_the_one_that_was_opened(
    cast: Cast, store: RecordStore
):
    served = await accepted(cast, await consent(cast))
    report = await built(cast, store, served)
    sealed = seal_report(report.plaintext, SEALING.public, served)
    said = report.delivery(sealed, SEALING.kid)
    assert said.report is not None
    stated = b64u(bytes(32))
    wrong = replace(said, report=replace(said.report, fingerprint=stated))
    worker, officer = await cast.of(WORKER), await cast.of(ORDERING)
    await worker.upload_report(served, sealed)
    await worker.submit(wrong)
    with pytest.raises(BadReport) as found:
        await open_delivery(officer, served, SEALING)
    assert found.value.code is DisputeCode.FINGERPRINT_MISMATCH
    assert found.value.opened == report.fingerprint
    # Nobody may confirm a fingerprint that was not stated, nor dispute with the one that was.
    for unfounded in (
        DeliveryAcknowledged(served, report.fingerprint),
        DeliveryDisputed(served, DisputeCode.FINGERPRINT_MISMATCH, stated),
    ):
        assert (await refused(cast, ORDERING, unfounded))[0] is Refusal.FINGERPRINT_MISMATCH
    await officer.submit(DeliveryDisputed(served, found.value.code, found.value.opened))
    assert (await officer.ask("Order", id=served))["status"] == "DISPUTED"


async def test_a_right_report_is_opened_and_acknowledged(cast: Cast, store: RecordStore):
    served = await accepted(cast, await consent(cast))
    report = await built(cast, store, served)
    sealed = seal_report(report.plaintext, SEALING.public, served)
    worker, officer = await cast.of(WORKER), await cast.of(ORDERING)
    await worker.upload_report(served, sealed)
    await worker.submit(report.delivery(sealed, SEALING.kid))
    opened = await open_delivery(officer, served, SEALING)
    await officer.submit(DeliveryAcknowledged(served, opened.report.fingerprint))


# Unified Social Credit Codes.


def other_digit(uscc: str) -> str:
    """The code with its check digit replaced by another that codes may have."""
    return uscc[:-1] + ("0" if uscc[-1] != "0" else "1")


USCCS = {
    "a wrong check digit": other_digit,
    "full-width digits": lambda uscc: uscc.translate({ord("9"): "\uff19", ord("1"): "\uff11"}),
    "lower case": str.lower,
    "a letter that codes do not have": lambda uscc: uscc.replace(uscc[9], "O", 1),
    "too short": lambda uscc: uscc[:-1],
    "spaces": lambda uscc: f"{uscc} ",
}


@pytest.mark.parametrize("kind", USCCS)
async def test_a_code_that_is_none_is_turned_away_and_nothing_logged(
    stage: SmallStage, cast: Cast, kind: str
):
    right = ENTERPRISES[2]
    wrong = replace(right, uscc=USCCS[kind](right.uscc), salt=fresh_salt())
    assert wrong.uscc != right.uscc
    admin = await cast.of(f"{BANK}/admin")
    size = stage.size()
    with pytest.raises(HubFailure) as failure:
        await admin.submit(wrong.enrolled(), directory=row_of(wrong))
    assert "not a Unified Social Credit Code" in failure.value.message
    assert failure.value.code == "BAD_USER_INPUT"
    with pytest.raises(HubFailure) as failure:
        await admin.ask("FindEnterprise", uscc=wrong.uscc)
    assert failure.value.code == "BAD_USER_INPUT"
    assert stage.size() == size
    assert await admin.ask("FindEnterprise", uscc=right.uscc) is None
