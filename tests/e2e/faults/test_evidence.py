"""Evidence of one order as a bank, an agency and the regulator make it, judged apart from all."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from creditchain.client.bundle import BundledEvent
from creditchain.client.bundle_check import make_bundle, verify_bundle
from creditchain.client.client import Client, NotObserved
from creditchain.client.judged import Pins
from creditchain.client.order_evidence import gather_order
from creditchain.client.verifier import verify as alone
from creditchain.client.verify import Verdict
from creditchain.events import b64u
from creditchain.events.codes import ErasureGround
from creditchain.events.erasure import BodyErased
from creditchain.events.order import DeliveryAcknowledged
from creditchain.tlog.cosignature import CosignatureSigner
from creditchain.tlog.policy import WitnessLine
from tests.e2e.faults.small_stage import (
    CONSORTIUM,
    ORDERING,
    WORKER,
    SmallStage,
    accepted,
    consent,
    delivery,
    eventually,
    say,
)

OPERATOR: Final = "delta-operator"


def evidence_by(stage: SmallStage, label: str, order: str, path: Path) -> Verdict:
    """What an officer gathers through the hub, written to a file."""

    async def gather() -> list[BundledEvent]:
        async with stage.client(label) as client:
            return await gather_order(client, order)

    policy, officer = (stage.hub_folder / "policy").read_text(), CONSORTIUM.officers[label]
    bundle, verdict = make_bundle(order, officer.id, officer.key, policy, asyncio.run(gather()))
    path.write_bytes(bundle)
    return verdict


def evidence_by_regulator(stage: SmallStage, order: str, path: Path) -> dict[str, Any]:
    """What the observer's own copy shows, written to a file by the program."""
    words = ("evidence", order, "--data", str(stage.observer_folder), "--out", str(path))
    run = [sys.executable, "-m", "regulator", *words, "--json"]
    made = subprocess.run(run, check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    facts: dict[str, Any] = json.loads(made.stdout)
    return facts


async def served(stage: SmallStage) -> str:
    """The id of an order that was placed, accepted, delivered and acknowledged."""
    async with stage.cast() as cast:
        order = await accepted(cast, await consent(cast))
        sealed = f"what was reported for {order}".encode()
        told = delivery(order, sealed)
        await (await cast.of(WORKER)).upload_report(order, sealed)
        await say(cast, WORKER, told)
        assert told.report is not None
        await say(cast, ORDERING, DeliveryAcknowledged(order, told.report.fingerprint))
    return order


def test_everybodys_evidence_of_one_order_agrees(stage: SmallStage, tmp_path: Path):
    genesis = (stage.observer_folder / "genesis.body").read_bytes()
    founding = hashlib.sha256(genesis).digest()
    order = asyncio.run(served(stage))
    eventually(lambda: stage.cosigned() == stage.size())

    bank = evidence_by(stage, ORDERING, order, tmp_path / "bank.zip")
    assert bank.problems == []
    assert (bank.facts["unshown"], bank.facts["absent"]) == ([], [])
    agency = evidence_by(stage, WORKER, order, tmp_path / "agency.zip")
    assert agency.problems == []
    assert {lack["what"] for lack in agency.facts["absent"]} == {"consent", "enterprise"}

    whole = tmp_path / "regulator.zip"
    facts = evidence_by_regulator(stage, order, whole)
    assert (facts["makerIsRegulator"], facts["unshown"], facts["absent"]) == (True, [], [])
    names = {c["name"].rpartition("/")[2] for p in facts["checkpoints"] for c in p["cosignatures"]}
    assert names >= {"witness", "mirror"}

    pins = Pins(founding, stage.trust.policy)
    for path in (tmp_path / "bank.zip", tmp_path / "agency.zip", whole):
        assert verify_bundle(path, pins).problems == []
        shown, problems = alone.verify(path, founding)
        assert (problems, shown["founding"], shown["order"]) == ([], b64u(founding), order)
    seen = {e["index"] for e in bank.facts["events"]}
    assert seen <= {e["index"] for e in facts["events"]}


async def erase_request(stage: SmallStage, order: str) -> int:
    """The entry of the request for the order's consent, whose body the operator erased."""
    async with stage.cast() as cast:
        bank = await cast.of(ORDERING)
        request = (await bank.ask("Order", id=order))["consent"]["id"]
        found = await bank.find_receipt(request)
        assert found is not None
        body, receipt = found
        commitment = b64u(hashlib.sha256(body).digest())
        erased = BodyErased(receipt.index, commitment, ErasureGround.SUBJECT_REQUEST)
        await say(cast, OPERATOR, erased)
    return receipt.index


def test_an_erased_request_is_proven_by_bank_and_regulator(stage: SmallStage, tmp_path: Path):
    order = asyncio.run(served(stage))
    index = asyncio.run(erase_request(stage, order))
    eventually(lambda: stage.cosigned() == stage.size())
    bank = evidence_by(stage, ORDERING, order, tmp_path / "bank.zip")
    assert (bank.problems, bank.facts["erased"]) == ([], [index])
    whole = evidence_by_regulator(stage, order, tmp_path / "regulator.zip")
    assert whole["erased"] == [index]
    for name in ("bank.zip", "regulator.zip"):
        assert alone.verify(tmp_path / name)[1] == []


def test_what_the_policys_observers_have_not_cosigned_is_not_evidence_yet(stage: SmallStage):
    order = asyncio.run(served(stage))
    absent = WitnessLine("absent", CosignatureSigner("absent.example/mirror", bytes(32)).verifier)
    policy = replace(stage.trust.policy, witnesses=(absent,), groups=(), quorum="absent")
    trust = replace(stage.trust, policy=policy)

    async def gather() -> None:
        async with Client(stage.url, stage.signer(ORDERING), trust) as client:
            await gather_order(client, order)

    with pytest.raises(NotObserved, match="ask again later"):
        asyncio.run(gather())
