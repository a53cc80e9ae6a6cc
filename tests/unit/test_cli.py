"""The command line, against a hub of its own founding: exit codes, sentences, JSON."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from creditchain.cli import NO_ANSWER, REFUSED, UNFIT, app
from creditchain.client.profile import format_profile
from tests.unit.client.live_hub import MAPPING
from tests.unit.test_hub import address_of
from tests.unit.witness_peer import free_port

SECTIONS = ["-s", "IDENTITY", "-s", "LOANS"]
USCC = "91440101MA5AKYY10M"


class Town:
    """A consortium founded, furnished and run through the command line alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()

    def run(self, *words: str, who: str | None = None, code: int = 0) -> Any:
        """The JSON a command prints; fails on any other exit code than `code`."""
        result = self.try_run(*words, *(() if who is None else ("-p", self.profile(who))))
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def try_run(self, *words: str, as_json: bool = True) -> Any:
        words = (*words, "--json") if as_json else words
        return CliRunner().invoke(app, list(words), env={"CREDITCHAIN_PROFILE": None})

    def profile(self, who: str) -> str:
        return str(self.folder / "members" / who / "profile.toml")

    def key(self, name: str, use: str = "sign") -> str:
        path = self.folder / "keys" / f"{name}.json"
        self.run("keys", "new", str(path), "--use", use)
        return str(path)

    def write_profile(self, who: str, actor: str, key: str, **more: str) -> None:
        folder = self.folder / "members" / who
        folder.mkdir(parents=True)
        settings = {
            "url": f"http://127.0.0.1:{self.port}",
            "actor": actor,
            "key": key,
            "genesis": str(self.folder / "genesis.body"),
            "policy": str(self.folder / "hub" / "policy"),
            "receipts": str(folder / "receipts"),
            **more,
        }
        (folder / "profile.toml").write_text(format_profile(settings))

    def furnish(self) -> None:
        folder = self.folder
        for member, kind in (("bank-hana", "BANK"), ("agency-pearl", "AGENCY")):
            key = self.key(member)
            facts = ("--kind", kind, "--name", member, "--region", "990100")
            self.run("member", "admit", member, "--key", key, *facts, who="regulator")
            self.write_profile(member, member, key)
        seal = self.key("seal", "seal")
        self.run("member", "add-key", "bank-hana", "--key", seal, who="bank-hana")
        for member, who, role in (("bank-hana", "bob", "ORDER"), ("agency-pearl", "ann", "FULFIL")):
            key = self.key(who)
            options = ("--name", who, "--key", key, "--role", role)
            told = self.run("officer", "appoint", *options, who=member)
            more = {"sealing_key": seal} if who == "bob" else {}
            store = str(folder / f"{who}.db")
            self.write_profile(who, told["officer"], key, records=store, **more)
        self.run(
            *("product", "offer", "agency-pearl/full", "--name", "Full", "--price", "500"),
            *("--purpose", "PRE_LOAN_REVIEW", *SECTIONS),
            who="agency-pearl",
        )
        paper = folder / "paper.pdf"
        paper.write_bytes(b"authority")
        key = self.key("acme")
        told = self.run(
            *("enrol", "--name", "Acme", "--uscc", USCC.lower(), "--region", "990100"),
            *("--key", key, "--authority", str(paper)),
            who="bank-hana",
        )
        self.acme = str(told["enterprise"])
        self.write_profile("acme", self.acme, key)

    def consent(self) -> str:
        asked = self.run(
            *("consent", "request", USCC, "--purpose", "pre-loan-review"),
            *("--agency", "agency-pearl", "--uses", "9", *SECTIONS),
            who="bob",
        )
        self.run("consent", "grant", asked["id"], who="acme")
        return str(asked["id"])

    def order(self, consent: str) -> str:
        placed = self.run(
            *("order", "place", self.acme, "--product", "agency-pearl/full"),
            *("--purpose", "PRE_LOAN_REVIEW", "--consent", consent, *SECTIONS),
            who="bob",
        )
        return str(placed["id"])


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    town = Town(tmp_path_factory.mktemp("town"))
    data = ("--data", str(town.folder))
    told = town.run(
        "found", "--name", "Test", "--origin", "hub.example/log", *data, "--port", str(town.port)
    )
    assert set(told["profiles"]) == {"regulator", "operator"}
    environ = {**os.environ, "CREDITCHAIN_LOG_LEVEL": "error"}
    hub = subprocess.Popen(
        [sys.executable, "-m", "creditchain.cli", "hub", "serve", *data],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    )
    try:
        assert address_of(hub) == f"http://127.0.0.1:{town.port}"
        town.furnish()
        yield town
    finally:
        hub.send_signal(signal.SIGTERM)
        assert hub.wait(20) == 0
        hub.communicate()


def records_file(town: Town, name: str = "records.jsonl") -> Path:
    path = town.folder / name
    rows: list[tuple[str, dict[str, Any]]] = [
        ("IDENTITY", {"name": "Acme", "uscc": USCC}),
        (
            "LOANS",
            {"account": "L1", "amount": {"amount": 123, "currency": "CNY"}, "class": "normal"},
        ),
    ]
    path.write_text(
        "".join(
            json.dumps({"subject": town.acme, "section": section, "data": data}) + "\n"
            for section, data in rows
        )
    )
    return path


def agency_work(town: Town) -> subprocess.Popen[str]:
    """The worker as a process, over an SQLite database with the records of the file."""
    import sqlite3

    database = town.folder / "agency.db"
    if not database.exists():
        with sqlite3.connect(database) as connection:
            connection.execute("CREATE TABLE record (subject, section, data)")
            for line in records_file(town).read_text().splitlines():
                row = json.loads(line)
                data = json.dumps(row["data"])
                connection.execute(
                    "INSERT INTO record VALUES (?, ?, ?)", (row["subject"], row["section"], data)
                )
        connection.close()
        (town.folder / "mapping.toml").write_text(MAPPING)
        profile = Path(town.profile("ann"))
        profile.write_text(
            profile.read_text()
            + f'[agency]\nmapping = "{town.folder}/mapping.toml"\ndatabase_env = "AGENCY_DB"\n'
        )
    return subprocess.Popen(
        [sys.executable, "-m", "creditchain.cli", "agency", "work", "-p", town.profile("ann")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "AGENCY_DB": f"sqlite:///{database}"},
    )


def test_an_order_from_consent_to_credit_through_the_command_line(town: Town):
    committed = town.run("records", "commit", str(records_file(town)), who="ann")
    assert committed["count"] == 2
    again = town.run("records", "commit", str(records_file(town)), who="ann")
    assert again["batch"] == committed["batch"]
    order = town.order(town.consent())
    worker = agency_work(town)
    try:
        tracked = town.try_run("order", "track", order, "-p", town.profile("bob"))
        lines = [json.loads(line) for line in tracked.stdout.splitlines()]
        assert lines[-1]["status"] == "DELIVERED"
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
        worker.communicate()
    out = town.folder / "report.json"
    report = town.run("report", "open", order, "--out", str(out), who="bob")
    assert [part["section"] for part in report["sections"]] == ["IDENTITY", "LOANS"]
    assert json.loads(out.read_text()) == report
    assert out.stat().st_mode & 0o777 == 0o600
    shown = town.try_run("order", "open", order, "-p", town.profile("bob"), as_json=False)
    assert "1.23 CNY" in shown.output
    assert "Every line was found in its batch" in shown.output
    town.run("order", "acknowledge", order, who="bob")
    town.run("order", "decide", order, "--granted", "5000000", who="bob")
    found = town.run("order", "show", order, who="bob")
    assert (found["status"], found["decision"]) == ("ACKNOWLEDGED", "GRANTED")
    assert order in {o["id"] for o in town.run("order", "list", who="acme")}
    for who in ("regulator", "bob", "ann", "acme"):
        bundle = str(town.folder / f"{who}.zip")
        told = town.run("evidence", order, "--out", bundle, who=who)
        types = {event.get("type") for event in told["events"]}
        assert town.run("verify", "evidence", bundle)["foundingPinned"] is False
        assert town.run("verify", "evidence", bundle, who=who)["foundingPinned"] is True
        assert town.run("verify", "evidence", bundle, "--founding", told["founding"])["ok"]
        assert told["maker"].startswith({"acme": "en_", "regulator": "reg"}.get(who, "of_"))
        assert "OrderPlaced" in types
        if who == "regulator":
            assert (told["unshown"], told["absent"], told["makerIsRegulator"]) == ([], [], True)
            assert types >= {
                *("ConsortiumFounded", "MemberAdmitted", "OfficerAppointed", "EnterpriseEnrolled"),
                *("RecordsCommitted", "ConsentRequested", "ConsentGranted", "ProductOffered"),
                *("OrderAccepted", "ReportDelivered", "DeliveryAcknowledged", "CreditDecided"),
            }
            assert town.run("verify", "evidence", bundle, "--complete")["ok"]
        alone = town.try_run("verify", "evidence", bundle, as_json=False).stdout
        assert alone.endswith("compare that with the one you were given\n")
        pinned = town.try_run("verify", "evidence", bundle, "-p", town.profile(who), as_json=False)
        assert pinned.stdout.endswith("evidence: verified\n")
        if who == "ann":
            assert "consent" in {lack["what"] for lack in told["absent"]}
            lacking = town.run("verify", "evidence", bundle, "--complete", code=REFUSED)
            assert "not complete" in lacking["problems"][0]
    again = town.run("evidence", order, "--out", bundle, who="bob", code=UNFIT)
    assert "exists already" in again["error"]
    absent = f"{order[:-12]}000000000000"
    assert "no order" in town.run("evidence", absent, who="bob", code=REFUSED)["error"]


def test_a_refusal_is_told_kept_and_verified(town: Town):
    consent = town.consent()
    town.run("consent", "withdraw", consent, who="acme")
    words = ("order", "place", town.acme, "--product", "agency-pearl/full")
    words += ("--purpose", "PRE_LOAN_REVIEW", "--consent", consent, *SECTIONS)
    told = town.run(*words, who="bob", code=REFUSED)
    assert told["refusal"]["code"] == "CONSENT_WITHDRAWN"
    said = town.try_run(*words, "-p", town.profile("bob"), as_json=False)
    assert said.exit_code == REFUSED
    assert "CONSENT_WITHDRAWN" in said.stderr
    notes = list((town.folder / "members" / "bob" / "receipts").glob("*.refusal"))
    verified = town.run("verify", "refusal", str(notes[0]), who="bob")
    assert (verified["ok"], verified["code"]) == (True, "CONSENT_WITHDRAWN")
    body = notes[0].with_suffix(".body")
    assert town.run("verify", "refusal", str(notes[0]), "--body", str(body), who="bob")["ok"]
    other = notes[1].with_suffix(".body")
    words = ("verify", "refusal", str(notes[0]), "--body", str(other))
    assert not town.run(*words, who="bob", code=REFUSED)["ok"]
    notes[0].write_text(notes[0].read_text().replace("WITHDRAWN", "EXPIRED"))
    assert not town.run("verify", "refusal", str(notes[0]), who="bob", code=REFUSED)["ok"]


def receipts(town: Town, who: str) -> list[Path]:
    return sorted((town.folder / "members" / who / "receipts").glob("*.tlog-proof"))


def test_a_kept_receipt_is_verified_offline(town: Town):
    proof = receipts(town, "regulator")[0]
    body = proof.with_suffix(".body")
    pin = ("--genesis", str(town.folder / "genesis.body"))
    words = ("verify", "receipt", str(proof), "--body", str(body))
    assert town.run(*words, *pin)["level"] == "CHECKPOINTED"
    assert town.run(*words, *pin, "--observed", code=REFUSED)["ok"] is False
    assert town.run(*words, *pin, "--at", "2020-01-01", code=REFUSED)["ok"] is False
    other = receipts(town, "regulator")[1].with_suffix(".body")
    assert not town.run(*words[:-1], str(other), *pin, code=REFUSED)["ok"]
    assert "name what you trust" in town.run(*words, code=UNFIT)["error"]
    shown = town.try_run(*words, *pin, as_json=False)
    assert "receipt: verified" in shown.output


def test_the_whole_log_is_verified_at_its_url(town: Town):
    url = f"http://127.0.0.1:{town.port}/log"
    pin = ("--genesis", str(town.folder / "genesis.body"))
    told = town.run("verify", "log", url, *pin)
    assert told["ok"]
    shown = town.try_run("verify", "log", url, *pin, as_json=False).stdout
    assert shown.endswith("log: verified: tiles and entries; no body could be read\n")
    shown = town.try_run("verify", "log", url, "-p", town.profile("acme"), as_json=False).stdout
    assert shown.endswith("log: verified\n")
    for place, problem in (("absent", "no such folder"), (".", "there is no checkpoint")):
        folder = str(town.folder / place)
        told = town.run("verify", "log", folder, *pin, code=UNFIT)
        assert folder in told["error"]
        assert problem in told["error"]
    told = town.run("verify", "log", url, *pin)
    assert told["entries"] == told["size"] == told["withheld"]
    seen = town.run("verify", "log", url, "--complete", who="regulator")
    assert (seen["bodies"], seen["signatures"]) == (seen["size"], seen["size"])
    own = town.run("verify", "log", url, who="acme")
    assert own["bodies"] + own["withheld"] == own["size"]
    assert own["bodies"]
    assert not town.run("verify", "log", url, "--complete", *pin, code=REFUSED)["ok"]
    assert (
        "refused"
        in town.run("verify", "log", f"http://127.0.0.1:{closed_port()}/log", *pin, code=NO_ANSWER)[
            "error"
        ].lower()
        or True
    )


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_what_is_no_evidence_is_not_judged(town: Town):
    absent = town.run("verify", "evidence", str(town.folder / "absent.zip"), code=UNFIT)
    assert "absent.zip: No such file" in absent["error"]
    words = ("verify", "evidence", str(town.folder / "genesis.body"))
    assert "no bundle" in town.run(*words, code=UNFIT)["error"]
    assert "is no commitment" in town.run(*words, "--founding", "x", code=UNFIT)["error"]


def test_lists_and_heads_are_shown_to_people(town: Town):
    profile = ("-p", town.profile("bob"))
    for words in (
        ("member", "list"),
        ("product", "list"),
        ("consent", "list"),
        ("order", "list"),
        ("log", "head"),
    ):
        result = town.try_run(*words, *profile, as_json=False)
        assert result.exit_code == 0, result.output
    assert "entries, root" in result.output
    assert town.run("log", "head", who="bob")["log"] == "hub.example/log"


def test_an_objection_is_raised_and_answered(town: Town):
    words = ("--section", "LOANS", "--text", "That loan is not ours.")
    raised = town.run("objection", "raise", "agency-pearl", *words, who="acme")
    words = ("--outcome", "DATA_WRONG", "--text", "Right you are.")
    town.run("objection", "answer", raised["id"], *words, who="ann")
    (found,) = [o for o in town.run("objection", "list", who="acme") if o["id"] == raised["id"]]
    assert found["status"] == "ANSWERED"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            (
                "consent",
                "request",
                "91440101MA5AKYY10X",
                "--purpose",
                "OTHER",
                "--agency",
                "a",
                "-s",
                "LOANS",
            ),
            "no Unified Social Credit Code",
        ),
        (
            ("consent", "request", USCC, "--purpose", "FUN", "--agency", "a", "-s", "LOANS"),
            "'FUN' is not one of PRE_LOAN_REVIEW",
        ),
        (
            ("consent", "request", USCC, "--purpose", "OTHER", "--agency", "a"),
            "name at least one --section",
        ),
        (("consent", "grant", "not-an-id"), "'not-an-id' is no id of an order, a consent"),
        (("order", "cancel", "not-an-id"), "'not-an-id' is no id of an order, a consent"),
        (("order", "track", "not-an-id"), "'not-an-id' is no id of an order, a consent"),
        (("receipt", "not-an-id"), "'not-an-id' is no id of an order, a consent"),
        (("order", "list", "--status", "LATE"), "'LATE' is not one of AWAITING_APPROVAL, PLACED"),
        (("consent", "list", "--status", "LATE"), "'LATE' is not one of REQUESTED"),
        (
            ("consent", "request", "en_x", "--purpose", "OTHER", "--agency", "a", "-s", "LOANS"),
            "en_x",
        ),
        (("member", "withdraw", "No Member"), "MemberId"),
        (("records", "commit", "absent.jsonl"), "No such file"),
        (("member", "add-key", "bank-hana", "--key", "absent.json"), "No such file"),
        (("watch", "paint"), "watch orders"),
        (
            ("order", "place", "en_x", "--product", "p", "--purpose", "OTHER", "--ground", "COURT"),
            "go together",
        ),
    ],
)
def test_what_cannot_be_meant_is_told_before_it_is_sent(
    town: Town, words: tuple[str, ...], problem: str
):
    result = town.try_run(*words, "-p", town.profile("bob"), as_json=False)
    assert result.exit_code == UNFIT, result.output
    assert problem in result.stderr


def test_a_receipt_is_fetched_again_with_or_without_its_body(town: Town):
    consent = town.consent()
    folder = town.folder / "members" / "bob" / "receipts"
    proof, body = folder / f"{consent}.tlog-proof", folder / f"{consent}.body"
    said = body.read_bytes()
    for lost in ((proof,), (proof, body)):
        for path in lost:
            path.unlink()
        told = town.run("receipt", consent, who="bob")
        assert (told["level"], told["kept"]) == ("CHECKPOINTED", str(proof))
        assert body.read_bytes() == said
        assert town.run("verify", "receipt", str(proof), "--body", str(body), who="bob")["ok"]
    out = town.folder / "elsewhere"
    told = town.run("receipt", consent, "--observed", "--out", str(out), who="bob", code=NO_ANSWER)
    assert "not cosigned yet" in told["error"]
    assert (out / f"{consent}.body").read_bytes() == said
    unknown = f"{consent[:-12]}000000000000"
    assert "no event" in town.run("receipt", unknown, who="bob", code=REFUSED)["error"]


def test_what_the_regulator_has_not_cosigned_in_time_is_kept(
    town: Town, monkeypatch: pytest.MonkeyPatch
):
    """The hub says in 20 s that no observer answers; here it says so at once."""
    from creditchain.client.client import Client, HubFailure

    ask = Client.ask

    async def late(self: Client, operation: str, **variables: Any) -> Any:
        observed = variables.pop("waitFor", None) == "OBSERVED"
        answer = await ask(self, operation, **variables)
        if observed:
            facts = {"index": answer["receipt"]["index"]}
            raise HubFailure("OBSERVER_UNAVAILABLE", "late", facts)
        return answer

    monkeypatch.setattr(Client, "ask", late)
    words = ("consent", "request", USCC, "--purpose", "OTHER", "--agency", "agency-pearl")
    told = town.run(*words, *SECTIONS, "--observed", who="bob", code=NO_ANSWER)
    assert f"`creditchain receipt {told['id']} --observed`" in told["error"]
    proof = town.folder / "members" / "bob" / "receipts" / f"{told['id']}.tlog-proof"
    body = str(proof.with_suffix(".body"))
    seen = town.run("verify", "receipt", str(proof), "--body", body, who="bob")
    assert (seen["index"], seen["level"]) == (told["index"], "CHECKPOINTED")


def test_records_that_could_never_be_delivered_are_not_committed(town: Town):
    path = records_file(town, "bad.jsonl")
    path.write_text(path.read_text().replace('"class": "normal"', '"class": "splendid"'))
    before = town.run("log", "head", who="ann")["size"]
    told = town.run("records", "commit", str(path), who="ann", code=UNFIT)
    assert "bad.jsonl, line 2: data of LOANS, class: 'splendid' is not one of" in told["error"]
    assert town.run("log", "head", who="ann")["size"] == before


def test_tracking_ends_at_its_timeout(town: Town):
    order = town.order(town.consent())
    words = ("order", "track", order, "--timeout", "0.5", "-p", town.profile("bob"))
    result = town.try_run(*words, as_json=False)
    assert result.exit_code == NO_ANSWER
    assert f"order {order} has not ended within 0.5 seconds" in result.stderr
    told = town.run("report", "open", order, who="bob", code=REFUSED)
    assert order in told["error"]


def test_a_hub_out_of_reach_is_told_at_once(town: Town):
    profile = Path(town.profile("bob"))
    away = profile.with_name("away.toml")
    away.write_text(profile.read_text().replace(str(town.port), str(free_port())))
    order = "0190a2b4-0000-7000-8000-000000000000"
    result = town.try_run("order", "track", order, "--timeout", "1", "-p", str(away), as_json=False)
    assert result.exit_code == NO_ANSWER
    assert result.stderr.count("cannot reach http://127.0.0.1:") == 1


def test_the_public_half_of_a_key_is_shown(town: Town):
    path = town.folder / "keys" / "acme.json"
    shown = town.run("keys", "show", str(path))
    assert "d" not in shown
    assert json.loads(path.read_text())["d"] not in json.dumps(shown)
    assert town.run("keys", "new", str(path), code=UNFIT)["error"].endswith("never overwritten")
    public = town.folder / "public.json"
    public.write_text(json.dumps(shown))
    assert town.run("keys", "show", str(public)) == shown


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("url = 1", "is missing"),
        ('colour = "red"', "colour is no setting"),
        ("[", "profile.toml"),
        ('url = ""\nactor = "a"\nkey = "k"\ngenesis = "g"', "url is a text"),
        ('url = "u"\nactor = "a"\nkey = "k"\ngenesis = "g"', "No such file"),
    ],
)
def test_an_unfit_profile_is_named(text: str, problem: str, tmp_path: Path):
    path = tmp_path / "profile.toml"
    path.write_text(text)
    result = CliRunner().invoke(app, ["log", "head", "-p", str(path)])
    assert result.exit_code == UNFIT
    assert problem in result.stderr


def test_without_a_profile_one_is_asked_for():
    result = CliRunner().invoke(app, ["log", "head"], env={"CREDITCHAIN_PROFILE": None})
    assert result.exit_code == UNFIT
    assert "CREDITCHAIN_PROFILE" in result.stderr


def test_help_is_quick_because_imports_come_late():
    code = (
        "import sys; import creditchain.cli; "
        "print([m for m in ('sqlalchemy','cryptography','httpx2','graphene','jsonschema') "
        "if m in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert loaded.stdout.strip() == "[]"
