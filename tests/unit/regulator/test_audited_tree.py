"""What the auditor says it has audited is one tree, with every body in it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sqlite3
from contextlib import contextmanager
from pathlib import Path

import pytest

from creditchain.events import b64u
from creditchain.events.codes import ErasureGround
from creditchain.events.consent import ConsentGranted, ConsentRequested, ConsentWithdrawn, Terms
from creditchain.events.erasure import BodyErased
from regulator.audit import AUDIT_RULES, parse_pack
from regulator.audit_store import AUDIT_NAME, AuditStore
from regulator.auditing import read_pack
from regulator.auditor import Auditor
from regulator.cosign import MIRROR
from regulator.database import OBSERVER_NAME
from regulator.feed import Feed
from tests.lying_hub.honest import SECTIONS, Consortium, HonestFeed, Purpose
from tests.lying_hub.lies import (
    AlteringBody,
    WithholdingBody,
    forge_a_member,
    log_nonsense,
    skip_the_law,
)
from tests.unit.regulator.observing import found, observing

PACK = read_pack(None)


def told() -> tuple[Consortium, int]:
    """A log on which one order was let through without a consent, and that order's index."""
    consortium = Consortium(5)
    consortium.play(40)
    index = skip_the_law(consortium)
    consortium.play(40)
    return consortium, index


async def follow(folder: Path, consortium: Consortium, *feeds: Feed) -> list[str]:
    """Follow once through each feed; the codes found."""
    for feed in feeds:
        async with observing(folder, consortium, feed) as observer:
            await observer.follower.once()
            codes = [code for code, *_ in found(observer.reader_engine)]
    return codes


@contextmanager
def auditor(folder: Path):
    store = AuditStore(folder / AUDIT_NAME)
    one = Auditor(folder / OBSERVER_NAME, store, parse_pack(PACK, AUDIT_RULES), PACK)
    try:
        yield one
    finally:
        one.close()
        store.close()


def finish(one: Auditor) -> None:
    one.advance()
    while one.progress.size < one.copied():
        one.advance()


def stored(folder: Path) -> list[dict]:
    with sqlite3.connect(folder / AUDIT_NAME) as connection:
        rows = connection.execute("SELECT json FROM finding ORDER BY seq").fetchall()
    return [json.loads(row[0]) for row in rows]


@pytest.mark.parametrize("lie", [WithholdingBody, AlteringBody])
def test_a_body_that_the_hub_served_late_is_audited_after_all(lie, tmp_path: Path):
    consortium, index = told()
    asyncio.run(follow(tmp_path, consortium, lie(consortium, index)))
    with auditor(tmp_path) as one:
        finish(one)
        assert one.audited == (consortium.log.size, b""), "of what is missing nothing is said"
        asyncio.run(follow(tmp_path, consortium, HonestFeed(consortium.log)))
        finish(one)
        assert one.audited == (consortium.log.size, consortium.log.edge.root())
    orders = [(f["index"], f["certain"]) for f in stored(tmp_path) if f["code"] == "C01"]
    assert orders == [(index, True)]
    assert all(f["certain"] for f in stored(tmp_path)), "nothing is left of the audit without it"


@pytest.mark.parametrize(
    ("lie", "code"),
    [(log_nonsense, "BODY_MALFORMED"), (forge_a_member, "SIGNATURE_INVALID")],
)
def test_what_is_served_late_is_believed_no_more_than_in_time(lie, code: str, tmp_path: Path):
    consortium = Consortium(5)
    consortium.play(20)
    index = lie(consortium)
    consortium.play(20)
    late = WithholdingBody(consortium, index)
    codes = asyncio.run(follow(tmp_path, consortium, late, HonestFeed(consortium.log)))
    assert codes[-1] == code
    with auditor(tmp_path) as one:
        finish(one)
        assert one.audited == (consortium.log.size, consortium.log.edge.root())
    assert "M01" not in {f["code"] for f in stored(tmp_path)}


def test_an_audit_started_again_remembers_what_was_missing(tmp_path: Path):
    consortium, index = told()
    asyncio.run(follow(tmp_path, consortium, WithholdingBody(consortium, index)))
    with auditor(tmp_path) as one:
        finish(one)
    asyncio.run(follow(tmp_path, consortium, HonestFeed(consortium.log)))
    with auditor(tmp_path) as one:
        finish(one)
    assert [f["index"] for f in stored(tmp_path) if f["code"] == "C01"] == [index]


def test_more_missing_bodies_than_are_remembered_are_audited_too(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("regulator.auditor.MISSING_MAX", 1)
    consortium, index = told()
    kind = b'"CreditDecided"'
    other = next(n for n, body in enumerate(consortium.log.bodies) if kind in body)
    late = WithholdingBody(consortium, index)
    bodies = consortium.log.bodies
    commitment = b64u(hashlib.sha256(bodies[other]).digest())
    bodies[other] = b""
    asyncio.run(follow(tmp_path, consortium, late))
    with auditor(tmp_path) as one:
        finish(one)
        gone = BodyErased(other, commitment, ErasureGround.COURT_ORDER)
        consortium.admit(consortium.operator, gone)
        consortium.log.publish()
        asyncio.run(follow(tmp_path, consortium, late))
        finish(one)
        assert one.audited[1] == b""
        asyncio.run(follow(tmp_path, consortium, HonestFeed(consortium.log)))
        finish(one)
    assert index in {f["index"] for f in stored(tmp_path) if f["code"] == "C01"}


def test_what_was_audited_of_another_history_does_not_count_for_this_one(tmp_path: Path):
    ours, _ = told()
    theirs = Consortium(5)
    theirs.play(150)
    for folder, consortium in ((tmp_path / "ours", ours), (tmp_path / "theirs", theirs)):
        folder.mkdir()
        asyncio.run(follow(folder, consortium, HonestFeed(consortium.log)))
        with auditor(folder) as one:
            finish(one)
    before = stored(tmp_path / "ours")
    shutil.copy(tmp_path / "theirs" / AUDIT_NAME, tmp_path / "ours" / AUDIT_NAME)
    with auditor(tmp_path / "ours") as one:
        assert one.progress.size == 0
        finish(one)
        assert one.audited == (ours.log.size, ours.log.edge.root())
    assert stored(tmp_path / "ours") == before


async def test_a_tree_that_is_not_ours_counts_as_nothing_audited(tmp_path: Path):
    consortium, _ = told()
    size, root = consortium.log.size, consortium.log.edge.root()
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        cosigner = observer.follower.cosigner
        head = cosigner.head(MIRROR)
        for said in ((size, bytes(32)), (size, b""), (size + 9, root), (0, b""), (size - 1, root)):
            await observer.follower.write(cosigner.take_audited, *said)
            assert await observer.follower.write(cosigner.finish, "audit", head) is None
        assert head.size == size


def test_a_repeated_event_takes_no_effect_though_a_body_was_never_seen(tmp_path: Path):
    consortium = Consortium(5)
    consortium.play(20)
    withheld = consortium.log.size
    enterprise = consortium.enrol()
    terms = Terms(
        "bank-hana",
        Purpose.PRE_LOAN_REVIEW,
        ("agency-lin",),
        SECTIONS,
        consortium.at,
        consortium.at + 86_400_000,
        2,
    )
    consortium.enrol()
    asked = consortium.admit(consortium.bank_officer, ConsentRequested(enterprise.id, terms))
    consortium.admit(enterprise, ConsentGranted(asked.event.id, terms))
    consortium.consents = [(asked.event.id, enterprise, terms)]
    consortium.place()
    consortium.admit(enterprise, ConsentWithdrawn(asked.event.id))
    repeated = consortium.force(asked)
    consortium.at += 30 * 86_400_000
    consortium.enrol()
    consortium.log.publish()
    codes = asyncio.run(follow(tmp_path, consortium, WithholdingBody(consortium, withheld)))
    assert "ID_REUSED" in codes
    with auditor(tmp_path) as one:
        finish(one)
    found_here = stored(tmp_path)
    assert "C13" in {f["code"] for f in found_here}, "the withdrawal still stands"
    assert repeated not in {f["index"] for f in found_here}
