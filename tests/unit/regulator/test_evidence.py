"""Evidence from the observer's own copy: whole, offline, and what it says when it cannot be."""

import asyncio
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from creditchain.client.bundle import open_members
from creditchain.client.bundle_check import UNPINNED, verify_members
from creditchain.client.stored_zip import read_zip
from creditchain.client.verifier import verify as alone
from creditchain.events import b64u, parse_json
from creditchain.events.codes import ErasureGround
from creditchain.events.erasure import BodyErased
from regulator.cli import app
from regulator.config import make_observer
from regulator.evidence import NoEvidence, make_evidence
from regulator.observer import Observer
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.http import hub_at
from tests.unit.regulator.observing import SIGNERS, observing


def said(consortium: Consortium, type_: str) -> list[tuple[int, dict[str, Any]]]:
    """The events of a type whose bodies are there, with their indexes."""
    events = ((n, parse_json(b, len(b))["event"]) for n, b in enumerate(consortium.log.bodies) if b)
    return [(n, event) for n, event in events if event["type"] == type_]


def evidence_of(observer: Observer, consortium: Consortium, order: str) -> dict[str, bytes]:
    regulator = consortium.regulator
    made, verdict = make_evidence(
        observer.reader_engine,
        order,
        observer.genesis.log,
        SIGNERS,
        regulator.id,
        regulator.key,
    )
    assert verdict.problems == []
    return read_zip(made)


async def test_the_regulators_evidence_is_whole(tmp_path: Path):
    consortium = Consortium(41)
    consortium.play(700)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        for _, decided in said(consortium, "CreditDecided")[-3:]:
            order = decided["body"]["order"]
            members = evidence_of(observer, consortium, order)
            facts = verify_members(members, UNPINNED).facts
            assert (facts["unshown"], facts["absent"]) == ([], [])
            assert (facts["makerIsRegulator"], facts["quorum"]) == (True, True)
            names = {c["name"] for c in facts["checkpoints"][0]["cosignatures"]}
            assert names >= {"observer.example/witness", "observer.example/mirror"}
            judge = alone.Judge(members)
            judge.run()
            assert judge.problems == []
            ours = {k: v for k, v in facts.items() if k not in {"verifiers", "cover"}}
            assert json.loads(json.dumps(judge.facts())) == ours
            orders = [e for e in facts["events"] if e["type"] == "OrderPlaced"]
            assert len(orders) == 1
            assert evidence_of(observer, consortium, order) == members, "the same bytes again"


async def test_an_erased_request_stays_provable(tmp_path: Path):
    consortium = Consortium(42)
    consortium.play(150)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        _, placed = said(consortium, "OrderPlaced")[-1]
        consent = placed["body"]["consent"]
        index = next(n for n, e in said(consortium, "ConsentRequested") if e["id"] == consent)
        commitment = b64u(hashlib.sha256(consortium.log.bodies[index]).digest())
        consortium.admit(
            consortium.operator, BodyErased(index, commitment, ErasureGround.SUBJECT_REQUEST)
        )
        consortium.log.bodies[index] = b""
        consortium.log.publish()
        await observer.follower.once()
        members = evidence_of(observer, consortium, placed["id"])
        facts = verify_members(members, UNPINNED).facts
        assert facts["erased"] == [index]
        assert {"what": "consent", "id": consent} in facts["absent"]
        assert f"events/{index}.body" not in members
        assert any(e.get("type") == "BodyErased" for e in facts["events"])


async def test_there_is_no_evidence_of_what_is_not_in_the_copy(tmp_path: Path):
    consortium = Consortium(43)
    consortium.play(60)
    order = said(consortium, "OrderPlaced")[-1][1]["id"]
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        with pytest.raises(NoEvidence, match="no order"):
            evidence_of(observer, consortium, order)
        await observer.follower.once()
        assert order in open_members(evidence_of(observer, consortium, order)).order
        regulator, witness = consortium.regulator, {"witness": SIGNERS["witness"]}
        words = (observer.genesis.log, witness, regulator.id, regulator.key)
        with pytest.raises(NoEvidence, match="cosigned as mirror"):
            make_evidence(observer.reader_engine, order, *words)


async def test_the_command_needs_no_hub(tmp_path: Path):
    consortium = Consortium(44)
    consortium.play(80)
    order = said(consortium, "OrderPlaced")[-1][1]["id"]
    make_observer(tmp_path, "observer.example", service=consortium.regulator.key)
    (tmp_path / "genesis.body").write_bytes(consortium.genesis)
    out = tmp_path / "order.zip"

    async def command(*words: object) -> tuple[int, str]:
        return await asyncio.to_thread(run, *words, "--data", tmp_path)

    assert (await command("evidence", order))[0] == 4, "no database yet"
    async with hub_at(HonestFeed(consortium.log)) as url:
        (tmp_path / "observer.toml").write_text(f'name = "observer.example"\nhub_url = "{url}"\n')
        assert (await command("follow", "--once"))[0] == 0
    code, text = await command("evidence", order, "--out", out, "--json")
    assert code == 0, text
    assert json.loads(text)["makerIsRegulator"] is True
    assert alone.verify(out)[1] == []
    code, text = await command("evidence", order, "--out", out)
    assert (code, "exists already" in text) == (2, True)
    code, text = await command("evidence", order[:-12] + "000000000000")
    assert (code, "there is no order" in text) == (2, True)


def run(*words: object) -> tuple[int, str]:
    """Exit code and output."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    # The runner's standard error, to which logs were sent, has ended with it.
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()
    return result.exit_code, result.output
