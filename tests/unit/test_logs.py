"""What may stand in a log line, and what never."""

import io
import json
import logging

import pytest
import structlog

from creditchain.client.keys import generate_key
from creditchain.client.signer import Signer
from creditchain.directory import EnterpriseRow
from creditchain.events.membership import MemberWithdrawn
from creditchain.logs import set_up_logs
from creditchain.tlog.note import Signer as NoteSigner
from creditchain.tlog.note import format_signer_key


@pytest.fixture
def lines():
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers, root.level
    set_up_logs("info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers, root.level = before
    structlog.reset_defaults()


def log_failure(problem: str, hidden: str = "") -> None:
    """Logs an exception that says `problem`, with `hidden` on its stack."""
    try:
        raise_with(problem, hidden)
    except ValueError:
        structlog.get_logger("creditchain.test").exception("failed")


def raise_with(problem: str, _hidden: str) -> None:
    raise ValueError(problem)


def test_a_line_is_one_json_object_with_its_time_level_and_place(lines):
    structlog.get_logger("creditchain.clock").info("done", job="lapse", count=2, note="两个\n")
    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "done", "level": "info", "logger": "creditchain.clock",
        "job": "lapse", "count": 2, "note": "两个\n",
    }  # fmt: skip


def test_libraries_speak_from_warnings_up_in_the_same_form(lines):
    logging.getLogger("uvicorn.error").info("chatter")
    logging.getLogger("apscheduler").warning("late by %d", 3)
    structlog.get_logger("creditchain.hub").debug("detail")
    assert [(line["event"], line["logger"]) for line in lines()] == [("late by 3", "apscheduler")]


def test_neither_keys_tokens_bodies_nor_names_reach_a_line(lines):
    key = generate_key()
    signer = Signer("bank-hana", key, "hub.example/log")
    sealed = signer.seal(MemberWithdrawn("bank-hana"))
    row = EnterpriseRow("嘉应恒信贸易有限公司", "91110000600037341L", "s" * 22)
    note_key = format_signer_key(NoteSigner("hub.example/log", b"\3" * 32))
    token = signer.assertion()
    log = structlog.get_logger("creditchain.test")
    log.info("fields", token=token, body=sealed.body, key=key, name=row.name, row=row)
    log.info("nested", request={"headers": {"Authorization": f"Bearer {token}"}, "salt": "s"})
    words = f"in words: {note_key} Bearer abc.def {token} code {row.uscc}"
    log.info(words)
    log.info("bytes", anything=sealed.body, more=[sealed.body.decode(), json.dumps(key.to_json())])
    log_failure(f"unusable {note_key} of {row.uscc}")
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines())
    assert "ValueError: unusable [redacted] of [redacted]" in text
    secrets = (
        token, token.split(".")[1], token.split(".")[2], row.name, row.uscc, row.salt, note_key,
        key.to_json()["d"], sealed.event.salt, sealed.body.decode(), "abc.def",
    )  # fmt: skip
    assert [secret for secret in secrets if secret in text] == []


def test_a_traceback_shows_no_local_values(lines):
    log_failure("failed", hidden=f"{5:d}-plain-text")
    [line] = lines()
    assert "log_failure" in line["exception"]
    assert "plain-text" not in json.dumps(line)


def test_a_flood_is_cut(lines):
    structlog.get_logger("creditchain.test").info("x" * 100_000, deep=[[[[[[[["y" * 9]]]]]]]])
    [line] = lines()
    assert len(line["event"]) < 5_000
